import KafkaProtocol

/// Heartbeat (12), versions 0–4. v3+ static members.
enum HeartbeatHandler: RequestHandler {
    typealias Request = HeartbeatRequest

    static func handle(_ request: HeartbeatRequest, _ call: Call<HeartbeatResponse>) {
        call.node.groups.run { groups in
            var response = HeartbeatResponse()
            do throws(Refusal) {
                response.errorCode =
                    try groups.entry(request.groupId)?.group.heartbeat(
                        memberID: request.memberId, instanceID: request.groupInstanceId,
                        generation: request.generationId, now: SteadyClock.now()) ?? .unknownMemberId
            } catch {
                response.errorCode = error.code.forCoordinator
            }
            call.respond(response)
        }
    }
}
