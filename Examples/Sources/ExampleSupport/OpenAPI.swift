/// What `/openapi.json` answers: a service's own paths and schemas, and what all of them have in common (`/health`,
/// problems).
public enum OpenAPI {
    /// Puts a document together.
    ///
    /// - Parameters:
    ///   - title: The service's name.
    ///   - description: What it does, in a sentence.
    ///   - paths: Members of the object `paths`, as JSON text without the braces. They may refer to
    ///     `#/components/responses/Problem`.
    ///   - parameters: Members of `components.parameters`, likewise; empty for none.
    ///   - schemas: Members of `components.schemas`, likewise.
    public static func document(
        title: String, description: String, paths: String, parameters: String = "", schemas: String
    ) -> String {
        """
        {
        "openapi": "3.0.3",
        "info": { "title": "\(title)", "version": "1.0.0", "description": "\(description)" },
        "paths": {
        \(paths),
        \(healthPath)
        },
        "components": {
        "parameters": { \(parameters) },
        "responses": { \(problemResponse) },
        "schemas": {
        \(schemas),
        \(sharedSchemas)
        }
        }
        }
        """
    }

    private static let healthPath = #"""
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
        """#

    private static let problemResponse = #"""
        "Problem": { "description": "What is wrong (RFC 9457)", "content": {
          "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } }
        """#

    private static let sharedSchemas = #"""
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
        """#
}
