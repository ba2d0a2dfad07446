import ExampleSupport
import Foundation
import Hummingbird
import KafkaService

/// What a client sends to put a product into the catalog.
struct CatalogRequest: Codable, Sendable {
    var productName: String
    var qty: Int64
    var unitPrice: Int64

    func catalog(_ id: Int64) throws -> Catalog {
        var errors: [Problem.FieldError] = []
        if !(1...100).contains(productName.count) { errors.append(.init("productName", "has 1 to 100 characters")) }
        if !(0...1_000_000_000).contains(qty) { errors.append(.init("qty", "must be from 0 to 1000000000")) }
        if !(0...1_000_000_000).contains(unitPrice) {
            errors.append(.init("unitPrice", "must be from 0 to 1000000000"))
        }
        if !errors.isEmpty { throw Problem(.unprocessableContent, errors: errors) }
        return Catalog(productId: id, productName: productName, qty: qty, unitPrice: unitPrice)
    }
}

/// The REST interface; `OpenAPI.swift` describes it.
struct CatalogRoutes: Sendable {
    let store: CatalogStore
    let listener: @Sendable () -> ListenerHealth

    func add(to router: Router<BasicRequestContext>) {
        router.get("/catalogs") { _, _ in JSONResponse.make(try await store.list()) }
        router.get("/catalogs/:productId") { _, context in
            let id = try product(context)
            guard let catalog = try await store.find(id) else {
                throw Problem(.notFound, detail: "product \(id) is not in the catalog")
            }
            return JSONResponse.make(catalog)
        }
        router.put("/catalogs/:productId") { request, context in
            let body = try await JSONResponse.decode(CatalogRequest.self, from: request)
            let catalog = try body.catalog(product(context))
            return JSONResponse.make(catalog, status: try await store.put(catalog) ? .created : .ok)
        }
        router.get("/openapi.json") { _, _ in JSONResponse.text(openAPI) }
        router.get("/health/live") { _, _ in HealthReport([:]).response }
        router.get("/health") { _, _ in await health().response }
    }

    private func product(_ context: BasicRequestContext) throws -> Int64 {
        guard let product = context.parameters.get("productId", as: Int64.self), product >= 1 else {
            throw Problem(.notFound, detail: "the path has no product id, a number from 1")
        }
        return product
    }

    private func health() async -> HealthReport {
        let health = listener()
        var checks = [
            "listener": health.isHealthy ? "UP, \(health.totalLag) behind" : health.lastError ?? health.state.rawValue
        ]
        do {
            _ = try await store.find(0)
            checks["database"] = "UP"
        } catch {
            checks["database"] = "\(error)"
        }
        return HealthReport(checks)
    }
}
