# The lobster that Rack brings along.
require 'rack/lobster'

run Rack::Lobster.new
