import KafkaProtocol
import NIOCore
import OrderedCollections

/// JoinGroup (11), versions 0–9.
///
/// - v0 has no rebalance timeout: the session timeout serves. v4+ MEMBER_ID_REQUIRED, v5+ static members, v7+ protocol
///   type in the answer, v9+ the leader may be told to skip the assignment.
/// - The answer waits until all members have joined; see `ClassicGroup`. A group that has members of the consumer protocol
///   answers at once; see `ConsumerGroup.classicJoin`.
enum JoinGroupHandler: RequestHandler {
    typealias Request = JoinGroupRequest

    static func handle(_ request: JoinGroupRequest, _ call: Call<JoinGroupResponse>) {
        if request.groupId.isEmpty { return refuse(.invalidGroupId, request, call) }
        guard call.allows(.read, group: request.groupId) else {
            return refuse(.groupAuthorizationFailed, request, call)
        }
        guard call.node.configuration.groupSessionTimeouts.contains(request.sessionTimeoutMs) else {
            return refuse(.invalidSessionTimeout, request, call)
        }
        call.node.groups.run { groups in
            do throws(Refusal) {
                try join(request, call, groups)
            } catch {
                refuse(error.code.forCoordinator, request, call)
            }
        }
    }

    private static func join(
        _ request: JoinGroupRequest, _ call: Call<JoinGroupResponse>, _ groups: Groups
    ) throws(Refusal) {
        let existing = try groups.entry(request.groupId)
        if existing == nil && !request.memberId.isEmpty { return refuse(.unknownMemberId, request, call) }
        let entry: Groups.Entry
        if let existing { entry = existing } else { entry = try groups.entryOrNew(request.groupId) }
        let isMixed = entry.consumer?.members.isEmpty == false
        if !isMixed { try groups.becomeClassic(entry) }
        let members = entry.group.members
        if members[request.memberId] == nil && members.count >= groups.configuration.groupMaxSize {
            return refuse(.groupMaxSizeReached, request, call)
        }
        let token = isMixed ? 0 : groups.awaitJoin { outcome in answer(outcome, call) }
        let input = ClassicGroup.JoinInput(
            memberID: request.memberId,
            generatedMemberID: "\(request.groupInstanceId ?? call.clientID)-\(KafkaUUID.random().dashed)",
            instanceID: request.groupInstanceId, clientID: call.clientID, clientHost: call.connection.clientHost,
            sessionTimeout: Int64(request.sessionTimeoutMs),
            rebalanceTimeout: Int64(
                request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs),
            protocolType: request.protocolType,
            protocols: request.protocols.map { .init(name: $0.name, metadata: $0.metadata.detached()) },
            requiresMemberID: call.version >= 4, supportsSkippingAssignment: call.version >= 9, token: token)
        if isMixed { return try groups.joinConsumers(entry, input) { answer($0, call) } }
        groups.perform(entry.group.join(input, now: SteadyClock.now()), entry)
    }

    private static func refuse(_ error: ErrorCode, _ request: JoinGroupRequest, _ call: Call<JoinGroupResponse>) {
        answer(ClassicGroup.JoinOutcome(error: error, memberID: request.memberId), call)
    }

    private static func answer(_ outcome: ClassicGroup.JoinOutcome, _ call: Call<JoinGroupResponse>) {
        var response = JoinGroupResponse()
        response.errorCode = outcome.error
        response.generationId = outcome.generation
        response.protocolType = outcome.protocolType
        response.protocolName = outcome.protocolName ?? (call.version >= 7 ? nil : "")
        response.leader = outcome.leader
        response.skipAssignment = outcome.skipsAssignment
        response.memberId = outcome.memberID
        response.members = outcome.members.map { member in
            var entry = JoinGroupResponse.JoinGroupResponseMember()
            entry.memberId = member.id
            entry.groupInstanceId = member.instanceID
            entry.metadata = member.metadata
            return entry
        }
        call.respond(response)
    }
}

extension ByteBuffer {
    /// A copy that does not keep the request or the segment alive that these bytes were cut from.
    func detached() -> ByteBuffer {
        var copy = ByteBuffer()
        copy.writeImmutableBuffer(self)
        return copy
    }
}

extension KafkaUUID {
    /// The form Java prints, as in the member ids that Kafka gives: 8-4-4-4-12 hexadecimal digits.
    var dashed: String {
        func hex(_ value: UInt64, _ shift: UInt64, _ digits: Int) -> String {
            let mask = (UInt64(1) << UInt64(4 * digits)) - 1
            let part = String(value >> shift & mask, radix: 16)
            return String(repeating: "0", count: digits - part.utf8.count) + part
        }
        return [hex(high, 32, 8), hex(high, 16, 4), hex(high, 0, 4), hex(low, 48, 4), hex(low, 0, 12)]
            .joined(separator: "-")
    }
}
