import ExampleSupport

/// What `/openapi.json` answers.
let openAPI = OpenAPI.document(
    title: "Orders", description: "Takes orders and tells the catalogs.",
    paths: #"""
        "/{userId}/orders": {
          "parameters": [ { "$ref": "#/components/parameters/userId" } ],
          "post": {
            "operationId": "placeOrder",
            "summary": "Places an order",
            "parameters": [
              { "name": "Idempotency-Key", "in": "header", "required": false,
                "description": "Whoever repeats it means the same order, at any instance.",
                "schema": { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" } }
            ],
            "requestBody": { "required": true, "content": {
              "application/json": { "schema": { "$ref": "#/components/schemas/OrderRequest" } } } },
            "responses": {
              "201": { "description": "Placed", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Order" } } } },
              "200": { "description": "Was placed before, under the same key", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Order" } } } },
              "400": { "$ref": "#/components/responses/Problem" },
              "404": { "$ref": "#/components/responses/Problem" },
              "409": { "$ref": "#/components/responses/Problem" },
              "413": { "$ref": "#/components/responses/Problem" },
              "422": { "$ref": "#/components/responses/Problem" },
              "503": { "$ref": "#/components/responses/Problem" }
            }
          },
          "get": {
            "operationId": "listOrders",
            "summary": "A user's newest 100 orders",
            "responses": {
              "200": { "description": "The orders", "content": { "application/json": { "schema": {
                "type": "array", "items": { "$ref": "#/components/schemas/Order" } } } } },
              "404": { "$ref": "#/components/responses/Problem" },
              "503": { "$ref": "#/components/responses/Problem" }
            }
          }
        },
        "/orders/{id}": {
          "get": {
            "operationId": "getOrder",
            "summary": "One order",
            "parameters": [ { "name": "id", "in": "path", "required": true, "schema": { "type": "string" } } ],
            "responses": {
              "200": { "description": "The order", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Order" } } } },
              "404": { "$ref": "#/components/responses/Problem" },
              "503": { "$ref": "#/components/responses/Problem" }
            }
          }
        }
        """#,
    parameters: #"""
        "userId": { "name": "userId", "in": "path", "required": true,
          "schema": { "type": "integer", "format": "int64", "minimum": 1 } }
        """#,
    schemas: #"""
        "OrderRequest": {
          "type": "object", "required": ["productId", "qty", "unitPrice"],
          "properties": {
            "productId": { "type": "integer", "format": "int64", "minimum": 1 },
            "qty": { "type": "integer", "format": "int64", "minimum": 1, "maximum": 1000000 },
            "unitPrice": { "type": "integer", "format": "int64", "minimum": 0, "maximum": 1000000000 }
          }
        },
        "Order": {
          "type": "object",
          "required": ["id", "userId", "productId", "qty", "unitPrice", "totalPrice", "createdAt"],
          "properties": {
            "id": { "type": "string" },
            "userId": { "type": "integer", "format": "int64" },
            "productId": { "type": "integer", "format": "int64" },
            "qty": { "type": "integer", "format": "int64" },
            "unitPrice": { "type": "integer", "format": "int64" },
            "totalPrice": { "type": "integer", "format": "int64", "description": "qty × unitPrice" },
            "createdAt": { "type": "string", "format": "date-time" }
          }
        }
        """#)
