/// Which requests of one connection wait for which answers. Pure: knows no socket and no clock.
///
/// `Token` is what the owner gets back when the answer (or the end) comes.
struct ConnectionStateMachine<Token: Sendable>: Sendable {
    /// A request that was sent and waits.
    struct Pending: Sendable {
        let token: Token
        let deadline: Instant
    }

    /// Nanoseconds of a monotonic clock.
    typealias Instant = UInt64

    /// What to do with a request.
    enum SubmitAction {
        /// Send it under this correlation id.
        case send(Int32)
        /// Don't: the connection is over.
        case fail(Token, KafkaError)
    }

    /// What to do with an answer.
    enum ReceiveAction {
        /// Hand the body to the request.
        case complete(Token)
        /// Nobody asked: close the connection.
        case violation(KafkaError)
    }

    private enum State: Sendable {
        case open
        case closed(KafkaError)
    }

    private var state: State = .open
    private var nextCorrelationID: Int32 = 0
    private var pending: [Int32: Pending] = [:]
    private let peer: String

    init(peer: String) {
        self.peer = peer
    }

    /// How many requests wait.
    var pendingCount: Int { pending.count }

    /// Whether requests are still taken.
    var isOpen: Bool {
        if case .open = state { return true }
        return false
    }

    /// The earliest deadline of those that wait.
    var nextDeadline: Instant? { pending.values.map(\.deadline).min() }

    /// A request is to be sent; without `expectsResponse` (produce with acks=0) it is forgotten at once.
    mutating func submit(_ token: Token, deadline: Instant, expectsResponse: Bool = true) -> SubmitAction {
        if case .closed(let error) = state { return .fail(token, error) }
        let id = nextCorrelationID
        nextCorrelationID = nextCorrelationID == Int32.max ? 0 : nextCorrelationID + 1
        if expectsResponse { pending[id] = Pending(token: token, deadline: deadline) }
        return .send(id)
    }

    /// An answer came.
    mutating func received(_ correlationID: Int32) -> ReceiveAction {
        if let request = pending.removeValue(forKey: correlationID) { return .complete(request.token) }
        return .violation(
            KafkaError(
                .malformedResponse, "\(peer) answered request \(correlationID), which nobody sent", isRetriable: true))
    }

    /// Time has passed. Those over their deadline; when there are any, the connection must be closed with the error,
    /// for nothing more can be expected of it (Java: `handleTimedOutRequests`).
    mutating func expire(now: Instant) -> KafkaError? {
        guard isOpen, pending.values.contains(where: { $0.deadline <= now }) else { return nil }
        return KafkaError(.timedOut, "\(peer) did not answer in time; the connection is given up")
    }

    /// The connection is over: all who wait fail, in the order they were sent, and so will whoever comes later.
    mutating func close(_ error: KafkaError) -> [Token] {
        guard isOpen else { return [] }
        state = .closed(error)
        defer { pending.removeAll() }
        return pending.sorted { $0.key < $1.key }.map(\.value.token)
    }
}
