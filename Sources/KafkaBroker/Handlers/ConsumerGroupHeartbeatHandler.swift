import KafkaProtocol

/// ConsumerGroupHeartbeat (68), versions 0–1 (KIP-848).
///
/// - Epoch 0 joins, −1 leaves, −2 is a static member that will be back. v0 the broker names the member, v1 it names itself
///   and may subscribe by a pattern.
/// - What changes is on disk before the answer. The assignment is told when it has changed and to who tells everything.
enum ConsumerGroupHeartbeatHandler: RequestHandler {
    typealias Request = ConsumerGroupHeartbeatRequest
    typealias Response = ConsumerGroupHeartbeatResponse

    static func handle(_ request: ConsumerGroupHeartbeatRequest, _ call: Call<ConsumerGroupHeartbeatResponse>) {
        call.node.groups.run { groups in
            do throws(Refusal) {
                guard call.allows(.read, group: request.groupId) else { throw .groupAuthorization }
                try check(request, call.version)
                for topic in request.subscribedTopicNames ?? [] { try call.check(.describe, topic: topic) }
                if request.memberEpoch < 0 {
                    try leave(request, call, groups)
                } else {
                    try beat(request, call, groups)
                }
            } catch {
                call.respond(failure(error.code.forCoordinator, error.message))
            }
        }
    }

    private static func failure(_ code: ErrorCode, _ message: String?) -> Response {
        var response = Response()
        response.errorCode = code
        response.errorMessage = message
        return response
    }

    private static func check(_ request: ConsumerGroupHeartbeatRequest, _ version: Int16) throws(Refusal) {
        func require(_ holds: Bool, _ message: String) throws(Refusal) {
            if !holds { throw Refusal(.invalidRequest, message) }
        }
        try require(!request.groupId.isEmpty, "GroupId can't be empty.")
        try require(request.instanceId?.isEmpty != true, "InstanceId can't be empty.")
        try require(request.rackId?.isEmpty != true, "RackId can't be empty.")
        try require(request.memberEpoch >= -2, "MemberEpoch is invalid.")
        try require(
            !request.memberId.isEmpty || (version == 0 && request.memberEpoch == 0), "MemberId can't be empty.")
        if request.memberEpoch == ConsumerGroup.staticLeavingEpoch {
            try require(request.instanceId != nil, "InstanceId can't be null.")
        }
        if request.memberEpoch == 0 {
            try require(request.rebalanceTimeoutMs != -1, "RebalanceTimeoutMs must be provided in first request.")
            try require(
                request.topicPartitions?.isEmpty == true, "TopicPartitions must be empty when (re-)joining.")
            let hasTopics = request.subscribedTopicNames?.isEmpty == false
            try require(
                hasTopics || request.subscribedTopicRegex?.isEmpty == false || request.subscribedTopicNames != nil,
                "Either SubscribedTopicNames or SubscribedTopicRegex must be provided when (re-)joining.")
        }
        if let assignor = request.serverAssignor, ServerAssignor.named(assignor) == nil {
            let known = ServerAssignor.all.map(\.name).joined(separator: ", ")
            throw Refusal(
                .unsupportedAssignor, "ServerAssignor \(assignor) is not supported. Supported assignors: \(known).")
        }
    }

    private static func beat(
        _ request: ConsumerGroupHeartbeatRequest, _ call: Call<Response>, _ groups: Groups
    ) throws(Refusal) {
        let entry = try groups.consumerEntry(request.groupId, isJoining: request.memberEpoch == 0)
        guard var consumer = entry.consumer else { throw Refusal(.groupIdNotFound, "") }
        let input = ConsumerGroup.Heartbeat(
            memberID: request.memberId.isEmpty ? KafkaUUID.random().description : request.memberId,
            epoch: request.memberEpoch, instanceID: request.instanceId, rackID: request.rackId,
            clientID: call.clientID, clientHost: call.connection.clientHost,
            rebalanceTimeout: request.rebalanceTimeoutMs, topics: request.subscribedTopicNames,
            pattern: request.subscribedTopicRegex, assignor: request.serverAssignor,
            owned: request.topicPartitions.map { list in list.reduce(into: [:]) { $0[$1.topicId] = Set($1.partitions) }
            })
        let limits = call.node.topics.groupConfigs.limits(
            of: request.groupId, call.node.configuration.consumerGroupLimits)
        let (outcome, changes) = try consumer.heartbeat(
            input, limits: limits, topics: RegistryTopics(topics: call.node.topics), now: SteadyClock.now())
        entry.consumer = consumer
        groups.persist(changes, entry) { error in
            guard error == .none else { return call.respond(failure(error, nil)) }
            var response = Response()
            response.memberId = outcome.memberID
            response.memberEpoch = outcome.epoch
            response.heartbeatIntervalMs = limits.heartbeatInterval
            response.assignment = outcome.assignment.map(describe)
            call.respond(response)
        }
    }

    private static func describe(_ assignment: TopicAssignment) -> Response.Assignment {
        var answer = Response.Assignment()
        answer.topicPartitions = assignment.map { topic, partitions in
            var entry = Response.TopicPartitions()
            entry.topicId = topic
            entry.partitions = partitions.sorted()
            return entry
        }
        return answer
    }

    private static func leave(
        _ request: ConsumerGroupHeartbeatRequest, _ call: Call<Response>, _ groups: Groups
    ) throws(Refusal) {
        let entry = try groups.consumerEntry(request.groupId, isJoining: false)
        guard var consumer = entry.consumer else { throw Refusal(.groupIdNotFound, "") }
        let changes = try consumer.leave(
            request.memberId, instanceID: request.instanceId, epoch: request.memberEpoch)
        entry.consumer = consumer
        defer { groups.downgradeIfClassic(entry, now: SteadyClock.now()) }
        groups.persist(changes, entry) { error in
            guard error == .none else { return call.respond(failure(error, nil)) }
            var response = Response()
            response.memberId = request.memberId
            response.memberEpoch = request.memberEpoch
            call.respond(response)
        }
    }
}
