import KafkaProtocol

/// LeaveGroup (13), versions 0–5.
///
/// - v0–2 one member, whose error is the answer's; v3+ several, each with its error (KIP-345).
/// - An empty member id with an instance id removes whoever holds the instance (the admin's tool for static members).
enum LeaveGroupHandler: RequestHandler {
    typealias Request = LeaveGroupRequest

    static func handle(_ request: LeaveGroupRequest, _ call: Call<LeaveGroupResponse>) {
        var leaving = request.members
        if call.version < 3 {
            var member = LeaveGroupRequest.MemberIdentity()
            member.memberId = request.memberId
            leaving = [member]
        }
        let members = leaving
        guard call.allows(.read, group: request.groupId) else {
            var response = LeaveGroupResponse()
            response.errorCode = .groupAuthorizationFailed
            return call.respond(response)
        }
        call.node.groups.run { groups in
            var response = LeaveGroupResponse()
            do throws(Refusal) {
                let entry = try groups.entry(request.groupId)
                for member in members {
                    var answer = LeaveGroupResponse.MemberResponse()
                    answer.memberId = member.memberId
                    answer.groupInstanceId = member.groupInstanceId
                    if let entry,
                        let left = entry.consumer?.classicLeave(
                            memberID: member.memberId, instanceID: member.groupInstanceId)
                    {
                        answer.errorCode = left.error
                        groups.persist(left.changes, entry) { _ in }
                    } else if let entry {
                        let result = entry.group.leave(
                            memberID: member.memberId, instanceID: member.groupInstanceId, now: SteadyClock.now())
                        answer.errorCode = result.error
                        groups.perform(result.actions, entry)
                    } else {
                        answer.errorCode = .unknownMemberId
                    }
                    response.members.append(answer)
                }
            } catch {
                response.errorCode = error.code.forCoordinator
            }
            if call.version < 3 {
                response.errorCode = response.members.first?.errorCode ?? response.errorCode
                response.members = []
            }
            call.respond(response)
        }
    }
}
