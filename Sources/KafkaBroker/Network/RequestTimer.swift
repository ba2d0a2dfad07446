import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore

/// How long a request has kept a thread busy, for the quota `request_percentage` (KIP-124). Made only while some client
/// has such a quota.
final class RequestTimer: Sendable {
    private let since = NIOLockedValueBox<NIODeadline?>(.now())

    /// Nanoseconds since the last call; 0 once it is stopped.
    func lap() -> Int64 { measure(goesOn: true) }

    /// The same, for the last time: from now on the request waits and keeps no thread busy.
    func stop() -> Int64 { measure(goesOn: false) }

    private func measure(goesOn: Bool) -> Int64 {
        since.withLockedValue { since in
            guard let start = since else { return 0 }
            let now = NIODeadline.now()
            since = goesOn ? now : nil
            return (now - start).nanoseconds
        }
    }
}

extension Call {
    /// Counts the time that the request has taken so far; milliseconds that the client has to wait.
    func requestThrottle() -> Int32 {
        guard let timer else { return 0 }
        return recordTime(timer.lap())
    }

    /// The handler has returned: what is still to come happens elsewhere.
    func stopTimer() {
        guard let timer else { return }
        _ = recordTime(timer.stop())
    }

    private func recordTime(_ nanoseconds: Int64) -> Int32 {
        node.topics.quotas.recordRequest(
            nanoseconds: nanoseconds, user: connection.principal.name, clientID: clientID, now: SteadyClock.now())
    }

    /// The answer with the time to wait because of `request_percentage` in it. The client is not read from for so long.
    func throttled(_ response: Response) -> Response {
        let wait = requestThrottle()
        guard wait > 0 else { return response }
        mute(wait)
        guard var throttled = response as? any ThrottledResponse else { return response }
        throttled.throttleTimeMs = max(throttled.throttleTimeMs, wait)
        return throttled as? Response ?? response
    }
}
