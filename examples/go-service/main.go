// A Go service with a dependency.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/google/uuid"
)

func main() {
	log.SetOutput(os.Stdout)
	log.SetFlags(0)
	name := uuid.NewString()
	http.HandleFunc("GET /{$}", func(answer http.ResponseWriter, request *http.Request) {
		log.Print("go example: GET /")
		answer.Header().Set("content-type", "text/plain; charset=utf-8")
		fmt.Fprintf(answer, "Hello from Go, process %s\n", name)
	})
	port := os.Getenv("PORT")
	log.Printf("go example: ready on port %s", port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
