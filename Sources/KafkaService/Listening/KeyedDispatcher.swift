import DequeModule

/// Hands out work so that no two pieces of one lane are under way at once, and those of a lane keep their order.
///
/// Lanes that have work and are free stand in a queue, so that every lane gets its turn.
struct KeyedDispatcher<Work: Sendable>: Sendable {
    private struct Lane: Sendable {
        var queue: Deque<Work> = []
        var isRunning = false
    }

    private var lanes: [Int: Lane] = [:]
    private var ready: Deque<Int> = []
    /// Pieces that wait.
    private(set) var queued = 0
    /// Pieces that were taken and are not finished.
    private(set) var running = 0

    /// Whether ``next()`` has something to give.
    var hasReady: Bool { !ready.isEmpty }

    /// How many may be taken at the same time, by as many workers.
    var readyLanes: Int { ready.count }

    /// Puts a piece at the end of its lane.
    mutating func enqueue(_ work: Work, lane: Int) {
        queued += 1
        let isFirst = { (entry: inout Lane) -> Bool in
            entry.queue.append(work)
            return entry.queue.count == 1 && !entry.isRunning
        }(&lanes[lane, default: Lane()])
        if isFirst { ready.append(lane) }
    }

    /// Takes the next piece whose lane is free; it must be finished with ``finish(lane:)``.
    mutating func next() -> (work: Work, lane: Int)? {
        while let lane = ready.popFirst() {
            // A lane whose work was dropped may still stand in the queue.
            guard let work = lanes[lane]?.queue.popFirst() else { continue }
            lanes[lane]?.isRunning = true
            queued -= 1
            running += 1
            return (work, lane)
        }
        return nil
    }

    /// The piece taken from this lane is over.
    mutating func finish(lane: Int) {
        guard let entry = lanes[lane], entry.isRunning else { return }
        running -= 1
        if entry.queue.isEmpty {
            lanes[lane] = nil
        } else {
            lanes[lane]?.isRunning = false
            ready.append(lane)
        }
    }

    /// Drops waiting work that is no longer wanted.
    mutating func drop(where isUnwanted: (Work) -> Bool) {
        for lane in Array(lanes.keys) {
            let isEmpty = { (entry: inout Lane) -> Bool in
                let before = entry.queue.count
                entry.queue.removeAll(where: isUnwanted)
                queued -= before - entry.queue.count
                return entry.queue.isEmpty && !entry.isRunning
            }(&lanes[lane, default: Lane()])
            if isEmpty { lanes[lane] = nil }
        }
        ready.removeAll { lanes[$0] == nil }
    }
}
