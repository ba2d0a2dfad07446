import KafkaProtocol

/// Heartbeat (12), versions 0–4. v3+ static members.
enum HeartbeatHandler: RequestHandler {
    typealias Request = HeartbeatRequest

    static func handle(_ request: HeartbeatRequest, _ call: Call<HeartbeatResponse>) {
        guard call.allows(.read, group: request.groupId) else {
            var response = HeartbeatResponse()
            response.errorCode = .groupAuthorizationFailed
            return call.respond(response)
        }
        call.node.groups.run { groups in
            var response = HeartbeatResponse()
            do throws(Refusal) {
                let entry = try groups.entry(request.groupId)
                let (member, instance) = (request.memberId, request.groupInstanceId)
                let (generation, now) = (request.generationId, SteadyClock.now())
                response.errorCode =
                    entry?.consumer?.classicHeartbeat(
                        memberID: member, instanceID: instance, generation: generation, now: now)
                    ?? entry?.group.heartbeat(
                        memberID: member, instanceID: instance, generation: generation, now: now)
                    ?? .unknownMemberId
                if let entry { groups.schedule(entry) }
            } catch {
                response.errorCode = error.code.forCoordinator
            }
            call.respond(response)
        }
    }
}
