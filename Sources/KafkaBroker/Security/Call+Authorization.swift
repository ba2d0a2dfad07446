import KafkaProtocol

/// What the client of a call may do. Without an authoriser everything is allowed.
extension Call {
    private var host: String { String(connection.clientHost.dropFirst()) }

    /// - Parameter logs: whether a denial is worth a line: not for what is only left out of a list.
    func allows(_ operation: AclOperation, _ type: AclResourceType, _ name: String, logs: Bool = true) -> Bool {
        guard let authorizer = node.authorizer else { return true }
        return authorizer.isAllowed(connection.principal, host, operation, type, name, logs: logs)
    }

    func allows(_ operation: AclOperation, topic: String) -> Bool { allows(operation, .topic, topic) }
    func allows(_ operation: AclOperation, group: String) -> Bool { allows(operation, .group, group) }

    /// Something that concerns the whole cluster.
    func allowsOnCluster(_ operation: AclOperation, logs: Bool = true) -> Bool {
        allows(operation, .cluster, AclBinding.clusterName, logs: logs)
    }

    /// Something to at least one resource of a type.
    func allowsAnywhere(_ operation: AclOperation, _ type: AclResourceType) -> Bool {
        guard let authorizer = node.authorizer else { return true }
        return authorizer.isAllowedAnywhere(connection.principal, host, operation, type)
    }

    func check(_ operation: AclOperation, topic: String) throws(Refusal) {
        guard allows(operation, topic: topic) else { throw .topicAuthorization(topic) }
    }

    func checkCluster(_ operation: AclOperation) throws(Refusal) {
        guard allowsOnCluster(operation) else { throw .clusterAuthorization }
    }

    /// The bits of the operations that the client may do (KIP-430): 1 shifted by the operation's number.
    func allowedOperations(_ type: AclResourceType, _ name: String) -> Int32 {
        let operations: [AclOperation] =
            switch type {
            case .topic: [.read, .write, .create, .delete, .alter, .describe, .describeConfigs, .alterConfigs]
            case .group: [.read, .delete, .describe, .describeConfigs, .alterConfigs]
            default:
                [
                    .create, .alter, .describe, .clusterAction, .describeConfigs, .alterConfigs, .idempotentWrite,
                ]
            }
        return operations.reduce(0) { allows($1, type, name, logs: false) ? $0 | 1 << Int32($1.rawValue) : $0 }
    }
}

extension Refusal {
    static func topicAuthorization(_ name: String) -> Refusal {
        Refusal(.topicAuthorizationFailed, "Topic authorization failed.")
    }
    static var clusterAuthorization: Refusal { Refusal(.clusterAuthorizationFailed, "Cluster authorization failed.") }
    static var groupAuthorization: Refusal { Refusal(.groupAuthorizationFailed, "Group authorization failed.") }
}
