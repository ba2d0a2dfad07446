import KafkaProtocol

/// AlterConfigs (33), versions 0–2. Replaces all that was set of a topic, of a group, of this broker or as the cluster's default.
enum AlterConfigsHandler: RequestHandler {
    typealias Request = AlterConfigsRequest
    typealias Result = AlterConfigsResponse.AlterConfigsResourceResponse

    static func handle(_ request: AlterConfigsRequest, _ call: Call<AlterConfigsResponse>) {
        var response = AlterConfigsResponse()
        for resource in request.resources {
            var result = Result()
            result.errorMessage = nil
            result.resourceType = resource.resourceType
            result.resourceName = resource.resourceName
            do throws(Refusal) {
                let target = try AlterableConfigs.find(resource.resourceType, resource.resourceName, call)
                var configs: [String: String] = [:]
                for config in resource.configs {
                    configs[config.name] = try target.checked(config.name, config.value, call.node)
                }
                if !request.validateOnly { try target.set(configs, call.node) }
            } catch {
                result.errorCode = error.code
                result.errorMessage = error.message
            }
            response.responses.append(result)
        }
        call.respondWhenDurable(response, \.responses)
    }
}
