const express = require("express");

const app = express();
app.get("/", (request, response) => {
  console.log("express example: GET /");
  response.type("text").send("Hello from Express\n");
});
const port = process.env.PORT;
const server = app.listen(port, () => console.log(`express example: ready on port ${port}`));
process.on("SIGTERM", () => server.close());
