"""`loadgen convert` of OpenAPI documents and Swagger's."""

from __future__ import annotations

import json

from tests.support.converter import Converter
from tests.support.site import Site


def test_an_openapi_document_is_a_scenario_for_each_operation(converted: Converter, site: Site) -> None:
    document = """
openapi: 3.1.0
info: {title: "Shop \\"quoted\\"", version: "1"}
servers: [{url: "https://{where}.example/v1", variables: {where: {default: test}}}]
components:
  securitySchemes: {token: {type: http, scheme: bearer}}
  schemas:
    Item:
      allOf:
        - {type: object, required: [name], properties: {name: {type: string, example: tea}}}
        - type: object
          required: [price, kind, again]
          properties:
            price: {type: number, minimum: 2}
            kind: {enum: [black, green]}
            again: {type: array, items: {$ref: "#/components/schemas/Item"}}
paths:
  /items:
    get:
      operationId: listItems
      parameters: [{in: query, name: limit, required: true, example: 10}, {in: query, name: other}]
      responses: {"200": {description: ok}}
    post:
      security: [{token: []}]
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Item"}}}}
      responses: {"201": {description: made}}
  /items/{id}:
    parameters: [{in: path, name: id, required: true, schema: {type: string, format: uuid}}]
    get: {responses: {"2XX": {description: ok}}}
"""
    script = converted("api.yaml", document)
    asked = converted.asked_by(script, site, scenarios=3, environment={"TOKEN": "t"})
    targets = {(one.method, one.target.rsplit("-", 1)[0]) for one in asked}
    assert targets == {
        ("GET", "/items?limit=10"),
        ("POST", "/items"),
        ("GET", "/items/123e4567-e89b-12d3-a456"),
    }
    made = next(one for one in asked if one.method == "POST")
    item = json.loads(made.body)
    assert (item["name"], item["price"], item["kind"]) == ("tea", 2, "black")
    assert made.headers["authorization"] == "Bearer t"


def test_what_a_document_leaves_open_is_filled_or_said(converted: Converter, site: Site) -> None:
    document = """
openapi: 3.1.0
info: {title: Tree, version: "1"}
servers: [{url: /api}]
paths:
  /nodes/{id}/{more}:
    parameters: [{$ref: "#/components/parameters/Id"}]
    patch:
      operationId: list
      summary: 'Says "yes"'
      parameters:
        - {in: cookie, name: theme, required: true, schema: {enum: [dark]}}
        - {in: query, name: day, required: true, example: 2026-01-31}
        - {in: query, name: tags, required: true, schema: {type: array, items: {enum: [a, b]}}}
      requestBody: {content: {application/merge-patch+json: {schema: {$ref: "#/components/schemas/Node"}}}}
      responses: {200: {description: ok}}
      security: [{digest: []}]
  /other: {post: {requestBody: {content: {application/json: {schema: {$ref: "there.yaml#/Thing"}}}}}}
components:
  securitySchemes: {digest: {type: http, scheme: digest}}
  parameters: {Id: {in: path, name: id, required: true, schema: {type: integer, minimum: 7}}}
  schemas:
    Node:
      type: object
      required: [id, parent, children, size, kind]
      properties:
        id: {type: integer, readOnly: true}
        parent: {anyOf: [{type: "null"}, {$ref: "#/components/schemas/Node"}]}
        children: {type: array, items: {$ref: "#/components/schemas/Node"}}
        size: {type: ["null", number], exclusiveMinimum: 3}
        kind: {const: leaf}
"""
    script = converted("api.yaml", document)
    patched = next(one for one in converted.asked_by(script, site, scenarios=2) if one.method == "PATCH")
    assert patched.target == "/nodes/7/1?day=2026-01-31&tags=a"
    assert patched.cookies == "theme=dark"
    assert patched.headers["content-type"] == "application/merge-patch+json"
    assert json.loads(patched.body) == {"parent": None, "children": [], "size": 4, "kind": "leaf"}
    text = script.read_text(encoding="utf-8")
    assert "async def do_list(" in text and 'auth=DigestAuth("user", PASSWORD)' in text
    for said in (
        *("--url http://HOST/api", "does not say what more is", "there.yaml#/Thing is in another file"),
        "the value of password is not in the file",
    ):
        assert said in converted.notes


def test_a_document_of_swagger_2_is_read_too(converted: Converter, site: Site) -> None:
    file = {"name": "photo", "in": "formData", "type": "file"}
    title = {"name": "title", "in": "formData", "type": "string", "required": True}
    body = {"name": "body", "in": "body", "schema": {"$ref": "#/definitions/Pet"}}
    upload = {"operationId": "upload", "consumes": ["multipart/form-data"], "parameters": [file, title]}
    document = {
        "swagger": "2.0",
        "info": {"title": "Pets", "version": "1"},
        "host": "pets.example",
        "basePath": "/v2",
        "securityDefinitions": {"key": {"type": "apiKey", "name": "api_key", "in": "query"}},
        "paths": {
            "/pets": {
                "post": upload | {"responses": {"201": {}}},
                "put": {"parameters": [body], "security": [{"key": []}], "responses": {"200": {}}},
            }
        },
        "definitions": {"Pet": {"properties": {"name": {"type": "string", "minLength": 6}}}},
    }
    script = converted("api.json", json.dumps(document))
    asked = converted.asked_by(script, site, scenarios=2, environment={"API_KEY": "k"})
    put = next(one for one in asked if one.method == "PUT")
    posted = next(one for one in asked if one.method == "POST")
    assert (put.target, json.loads(put.body)) == ("/pets?api_key=k", {"name": "textxx"})
    assert b'name="title"\r\n\r\ntext' in posted.body and b'filename="file.bin"' in posted.body
    assert 'base_url="http://pets.example/v2"' in script.read_text(encoding="utf-8")
