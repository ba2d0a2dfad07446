import NIOConcurrencyHelpers

/// The bytes that the requests of all connections together may hold: `queued.max.request.bytes`.
///
/// As in Kafka, a request that begins while there is any room is taken whole, so that none can be too large for the
/// bound; after that no connection begins another until there is room again.
final class RequestMemory: Sendable {
    private struct State {
        var used = 0
        var waiting: [ConnectionHandle] = []
    }

    private let limit: Int
    private let state = NIOLockedValueBox(State())

    init(limit: Int) { self.limit = limit }

    /// Bytes that are held.
    var used: Int { state.withLockedValue { $0.used } }

    /// Sets bytes aside for a request that begins to arrive; if there is no room, the connection is called back
    /// (`requestMemoryIsBack`) when there is.
    func take(_ bytes: Int, for connection: ConnectionHandle) -> Bool {
        state.withLockedValue { state in
            guard state.used < limit else {
                state.waiting.append(connection)
                return false
            }
            state.used += bytes
            return true
        }
    }

    /// Gives bytes back.
    func give(_ bytes: Int) {
        guard bytes > 0 else { return }
        let resumed = state.withLockedValue { state -> [ConnectionHandle] in
            state.used -= bytes
            guard state.used < limit else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for connection in resumed { connection.later { $0.requestMemoryIsBack() } }
    }
}

/// What one connection holds of the `RequestMemory`.
struct RequestReservation {
    private let memory: RequestMemory?
    /// For the request that arrives.
    private var arriving = 0
    /// For those whose answers are owed.
    private var owed: [ResponseQueue.Slot: Int] = [:]
    /// The connection waits for room.
    var isWaiting = false

    init(_ memory: RequestMemory?) { self.memory = memory }

    /// Whether the next request may be read. Called as often as bytes come; a request is counted once.
    mutating func admit(_ frames: inout FrameDecoder, _ connection: ConnectionHandle) -> Bool {
        guard let memory, arriving == 0, let size = frames.announcedSize() else { return true }
        guard memory.take(size, for: connection) else {
            isWaiting = true
            return false
        }
        arriving = size
        return true
    }

    /// The request has arrived and has its place in the queue.
    mutating func arrived(_ slot: ResponseQueue.Slot) {
        guard memory != nil, arriving > 0 else { return }
        owed[slot] = arriving
        arriving = 0
    }

    /// A request is answered, or does not need its bytes any more.
    mutating func release(_ slot: ResponseQueue.Slot) {
        guard let memory, let bytes = owed.removeValue(forKey: slot) else { return }
        memory.give(bytes)
    }

    /// The connection is gone.
    mutating func releaseAll() {
        guard let memory else { return }
        memory.give(arriving + owed.values.reduce(0, +))
        arriving = 0
        owed = [:]
    }
}
