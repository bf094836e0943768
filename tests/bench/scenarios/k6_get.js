// One GET and a look at its status, by k6.
import { check } from "k6";
import http from "k6/http";

export default function () {
  const response = http.get(__ENV.URL);
  check(response, { "status is 200": (answer) => answer.status === 200 });
}
