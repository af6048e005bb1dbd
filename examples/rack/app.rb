require "sinatra/base"

class App < Sinatra::Base
  set :host_authorization, { permitted_hosts: [] }

  get "/" do
    "Hello from Sinatra on Ruby #{RUBY_VERSION}\n"
  end
end
