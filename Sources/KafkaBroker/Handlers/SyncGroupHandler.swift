import KafkaProtocol
import NIOCore

/// SyncGroup (14), versions 0–5.
///
/// - The leader brings the assignment; it is on disk before anyone receives a share of it.
/// - v3+ static members, v5+ protocol type and name are checked.
enum SyncGroupHandler: RequestHandler {
    typealias Request = SyncGroupRequest

    static func handle(_ request: SyncGroupRequest, _ call: Call<SyncGroupResponse>) {
        guard call.allows(.read, group: request.groupId) else {
            return answer(.init(error: .groupAuthorizationFailed), call)
        }
        call.node.groups.run { groups in
            do throws(Refusal) {
                guard let entry = try groups.entry(request.groupId) else {
                    return answer(.init(error: .unknownMemberId), call)
                }
                let isMixed = entry.consumer != nil
                let token = isMixed ? 0 : groups.awaitSync { outcome in answer(outcome, call) }
                var assignments: [String: ByteBuffer] = [:]
                for entry in request.assignments { assignments[entry.memberId] = entry.assignment.detached() }
                let input = ClassicGroup.SyncInput(
                    memberID: request.memberId, instanceID: request.groupInstanceId, generation: request.generationId,
                    protocolType: request.protocolType, protocolName: request.protocolName, assignments: assignments,
                    token: token)
                if isMixed {
                    let outcome = entry.consumer?.classicSync(
                        input, names: groups.topicName, now: SteadyClock.now())
                    groups.schedule(entry)
                    return answer(outcome ?? .init(error: .unknownMemberId), call)
                }
                groups.perform(entry.group.sync(input, now: SteadyClock.now()), entry)
            } catch {
                answer(.init(error: error.code.forCoordinator), call)
            }
        }
    }

    private static func answer(_ outcome: ClassicGroup.SyncOutcome, _ call: Call<SyncGroupResponse>) {
        var response = SyncGroupResponse()
        response.errorCode = outcome.error
        response.protocolType = outcome.protocolType
        response.protocolName = outcome.protocolName
        response.assignment = outcome.assignment
        call.respond(response)
    }
}
