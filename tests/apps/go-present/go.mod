module slides

go 1.22.0

require (
	github.com/yuin/goldmark v1.4.13 // indirect
	golang.org/x/net v0.28.0 // indirect
	golang.org/x/tools v0.24.0 // indirect
)
