import KafkaProtocol

/// DescribeClientQuotas (48), versions 0–1. Each component of the filter names a type and asks for one name (0), the
/// default (1) or any (2); with `strict` an entity must have no other type. Without components all are told.
enum DescribeClientQuotasHandler: RequestHandler {
    typealias Request = DescribeClientQuotasRequest
    typealias Entry = DescribeClientQuotasResponse.EntryData

    static func handle(_ request: DescribeClientQuotasRequest, _ call: Call<DescribeClientQuotasResponse>) {
        var response = DescribeClientQuotasResponse()
        response.errorMessage = nil
        response.entries = nil
        do throws(Refusal) {
            try call.checkCluster(.describeConfigs)
            try check(request)
            response.entries = call.node.topics.quotas.limits.filter { isWanted($0.key, request) }.map(describe)
        } catch {
            response.errorCode = error.code
            response.errorMessage = error.message
        }
        call.respond(response)
    }

    private static func check(_ request: DescribeClientQuotasRequest) throws(Refusal) {
        var seen: Set<String> = []
        for component in request.components {
            guard ClientQuotas.types.contains(component.entityType) else {
                throw Refusal(.unsupportedVersion, "Custom entity type '\(component.entityType)' not supported")
            }
            guard seen.insert(component.entityType).inserted else {
                throw Refusal(.invalidRequest, "Duplicate filter component entity type '\(component.entityType)'")
            }
            guard (0...2).contains(component.matchType), (component.match != nil) == (component.matchType == 0) else {
                throw Refusal(.invalidRequest, "Invalid match of entity type '\(component.entityType)'")
            }
        }
    }

    private static func isWanted(_ entity: ClientQuotas.Entity, _ request: DescribeClientQuotasRequest) -> Bool {
        for component in request.components {
            guard let name = entity[component.entityType] else { return false }
            switch component.matchType {
            case 0: if name != component.match { return false }
            case 1: if name != nil { return false }
            default: break
            }
        }
        return !request.strict || entity.count == request.components.count
    }

    private static func describe(_ entity: ClientQuotas.Entity, _ values: [String: Double]) -> Entry {
        var entry = Entry()
        entry.entity = entity.sorted { $0.key < $1.key }.map { type, name in
            var part = Entry.EntityData()
            part.entityType = type
            part.entityName = name
            return part
        }
        entry.values = values.sorted { $0.key < $1.key }.map { key, limit in
            var value = Entry.ValueData()
            value.key = key
            value.value = limit
            return value
        }
        return entry
    }
}

/// AlterClientQuotas (49), versions 0–1. Sets and removes limits; each entity is changed as a whole or not at all. Answered
/// when that is on disk.
enum AlterClientQuotasHandler: RequestHandler {
    typealias Request = AlterClientQuotasRequest
    typealias Entry = AlterClientQuotasResponse.EntryData

    static func handle(_ request: AlterClientQuotasRequest, _ call: Call<AlterClientQuotasResponse>) {
        var response = AlterClientQuotasResponse()
        response.entries = request.entries.map { asked in
            var answer = Entry()
            answer.errorMessage = nil
            answer.entity = asked.entity.map { part in
                var entity = Entry.EntityData()
                entity.entityType = part.entityType
                entity.entityName = part.entityName
                return entity
            }
            do throws(Refusal) {
                try call.checkCluster(.alterConfigs)
                try alter(asked, validateOnly: request.validateOnly, call.node.topics)
            } catch {
                answer.errorCode = error.code
                answer.errorMessage = error.message
            }
            return answer
        }
        call.respondWhenDurable(response, \.entries)
    }

    private static func alter(
        _ asked: AlterClientQuotasRequest.EntryData, validateOnly: Bool, _ topics: TopicRegistry
    ) throws(Refusal) {
        var entity: ClientQuotas.Entity = [:]
        for part in asked.entity {
            guard entity.updateValue(part.entityName, forKey: part.entityType) == nil else {
                throw Refusal(.invalidRequest, "Duplicate entity type \(part.entityType)")
            }
        }
        if let fault = ClientQuotas.fault(in: entity) { throw Refusal(.invalidRequest, fault) }
        var values = topics.quotas.limits[entity] ?? [:]
        var seen: Set<String> = []
        for change in asked.ops {
            guard seen.insert(change.key).inserted else {
                throw Refusal(.invalidRequest, "Duplicate quota key \(change.key)")
            }
            let value = change.remove ? nil : change.value
            if let fault = ClientQuotas.fault(key: change.key, value: value, of: entity) {
                throw Refusal(.invalidRequest, fault)
            }
            values[change.key] = value
        }
        if !validateOnly { try topics.setQuotas(values, of: entity) }
    }
}
