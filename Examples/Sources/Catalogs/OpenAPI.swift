/// What `/openapi.json` answers.
let openAPI = #"""
    {
      "openapi": "3.0.3",
      "info": { "title": "Catalogs", "version": "1.0.0", "description": "Knows the products and keeps their stock." },
      "paths": {
        "/catalogs": {
          "get": {
            "operationId": "listCatalogs",
            "summary": "All products",
            "responses": {
              "200": { "description": "The products", "content": { "application/json": { "schema": {
                "type": "array", "items": { "$ref": "#/components/schemas/Catalog" } } } } },
              "503": { "$ref": "#/components/responses/Problem" }
            }
          }
        },
        "/catalogs/{productId}": {
          "parameters": [
            { "name": "productId", "in": "path", "required": true,
              "schema": { "type": "integer", "format": "int64", "minimum": 1 } }
          ],
          "get": {
            "operationId": "getCatalog",
            "summary": "One product",
            "responses": {
              "200": { "description": "The product", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Catalog" } } } },
              "404": { "$ref": "#/components/responses/Problem" },
              "503": { "$ref": "#/components/responses/Problem" }
            }
          },
          "put": {
            "operationId": "putCatalog",
            "summary": "Adds a product, or puts it in place of one",
            "requestBody": { "required": true, "content": {
              "application/json": { "schema": { "$ref": "#/components/schemas/CatalogRequest" } } } },
            "responses": {
              "200": { "description": "Replaced", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Catalog" } } } },
              "201": { "description": "Added", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Catalog" } } } },
              "400": { "$ref": "#/components/responses/Problem" },
              "404": { "$ref": "#/components/responses/Problem" },
              "413": { "$ref": "#/components/responses/Problem" },
              "422": { "$ref": "#/components/responses/Problem" },
              "503": { "$ref": "#/components/responses/Problem" }
            }
          }
        },
        "/health": {
          "get": {
            "operationId": "health",
            "summary": "Whether the service is fit for work",
            "responses": {
              "200": { "description": "It is", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Health" } } } },
              "503": { "description": "It is not", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Health" } } } }
            }
          }
        }
      },
      "components": {
        "responses": {
          "Problem": { "description": "What is wrong (RFC 9457)", "content": {
            "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } }
        },
        "schemas": {
          "CatalogRequest": {
            "type": "object", "required": ["productName", "qty", "unitPrice"],
            "properties": {
              "productName": { "type": "string", "minLength": 1, "maxLength": 100 },
              "qty": { "type": "integer", "format": "int64", "minimum": 0, "maximum": 1000000000 },
              "unitPrice": { "type": "integer", "format": "int64", "minimum": 0, "maximum": 1000000000 }
            }
          },
          "Catalog": {
            "type": "object", "required": ["productId", "productName", "qty", "unitPrice"],
            "properties": {
              "productId": { "type": "integer", "format": "int64" },
              "productName": { "type": "string" },
              "qty": { "type": "integer", "format": "int64", "description": "below zero: ordered and not there yet" },
              "unitPrice": { "type": "integer", "format": "int64" }
            }
          },
          "Problem": {
            "type": "object", "required": ["status", "title"],
            "properties": {
              "status": { "type": "integer" }, "title": { "type": "string" }, "detail": { "type": "string" },
              "errors": { "type": "array", "items": { "type": "object", "required": ["field", "message"],
                "properties": { "field": { "type": "string" }, "message": { "type": "string" } } } }
            }
          },
          "Health": {
            "type": "object", "required": ["status", "checks"],
            "properties": {
              "status": { "type": "string", "enum": ["UP", "DOWN"] },
              "checks": { "type": "object", "additionalProperties": { "type": "string" } }
            }
          }
        }
      }
    }
    """#
