import ExampleSupport

/// What `/openapi.json` answers.
let openAPI = OpenAPI.document(
    title: "Catalogs", description: "Knows the products and keeps their stock.",
    paths: #"""
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
        }
        """#,
    schemas: #"""
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
        }
        """#)
