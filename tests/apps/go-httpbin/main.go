// The server of a module, on the port that the app is given.
package main

import (
	"net/http"
	"os"

	"github.com/mccutchen/go-httpbin/v2/httpbin"
)

func main() {
	if err := http.ListenAndServe(":"+os.Getenv("PORT"), httpbin.New()); err != nil {
		panic(err)
	}
}
