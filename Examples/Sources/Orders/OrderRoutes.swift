import ExampleSupport
import Foundation
import HTTPTypes
import Hummingbird
import KafkaService

/// The REST interface; `OpenAPI.swift` describes it.
struct OrderRoutes: Sendable {
    let service: OrderService
    let relay: OutboxRelay

    func add(to router: Router<BasicRequestContext>) {
        router.post("/:userId/orders") { request, context in try await place(request, context) }
        router.get("/:userId/orders") { _, context in
            JSONResponse.make(try await service.store.list(user: try user(context), limit: 100))
        }
        router.get("/orders/:id") { _, context in
            let id = try context.parameters.require("id")
            guard let order = try await service.store.find(id) else {
                throw Problem(.notFound, detail: "order \(id) is not there, or still on its way to the database")
            }
            return JSONResponse.make(order)
        }
        router.get("/openapi.json") { _, _ in JSONResponse.text(openAPI) }
        router.get("/health/live") { _, _ in HealthReport([:]).response }
        router.get("/health") { _, _ in await health().response }
    }

    private func user(_ context: BasicRequestContext) throws -> Int64 {
        guard let user = context.parameters.get("userId", as: Int64.self), user >= 1 else {
            throw Problem(.notFound, detail: "the path has no user id, a number from 1")
        }
        return user
    }

    private func place(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        let user = try user(context)
        let key = HTTPField.Name("Idempotency-Key").flatMap { request.headers[$0] }
        let id = try key.map { try Self.id($0, user: user) } ?? UUID().uuidString.lowercased()
        let body = try await JSONResponse.decode(OrderRequest.self, from: request)
        let (order, isRepeated) = try await service.place(body.order(id: id, userId: user, at: Date()))
        return JSONResponse.make(
            order, status: isRepeated ? .ok : .created, headers: [.location: "/orders/\(order.id)"])
    }

    /// The key is the order's id, within the user's own: whoever repeats it means the same order.
    static func id(_ key: String, user: Int64) throws -> String {
        let isPlain = key.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard isPlain, (1...64).contains(key.utf8.count) else {
            throw Problem(.badRequest, detail: "Idempotency-Key has 1 to 64 letters, digits, '-' and '_'")
        }
        return "\(user)-\(key)"
    }

    private func health() async -> HealthReport {
        var checks: [String: String] = [:]
        do {
            try await service.store.check()
            checks["database"] = "UP"
        } catch {
            checks["database"] = "\(error)"
        }
        do {
            // Waiting messages are no fault of this service: it takes orders while Kafka is away.
            checks["outbox"] = "UP, \(try await relay.backlog()) waiting"
        } catch {
            checks["outbox"] = "\(error)"
        }
        return HealthReport(checks)
    }
}
