import DequeModule
import KafkaStorage
import NIOCore

/// A part of an answer.
enum AnswerPart: Sendable {
    case bytes(ByteBuffer)
    case file(FileSlice)

    /// Number of bytes.
    var length: Int {
        switch self {
        case .bytes(let bytes): bytes.readableBytes
        case .file(let slice): slice.length
        }
    }
}

/// Keeps the answers of one connection in the order of their requests, whenever they become ready.
///
/// A pure state machine: `open` for each request, `fill` when its answer is known, `popReady` for what may leave. When
/// too many answers, or too many bytes behind a late one, are held, `acceptsMore` turns false and reading has to stop.
struct ResponseQueue {
    /// Names one request of the connection.
    typealias Slot = UInt64

    private enum Entry {
        case owed
        case ready([AnswerPart])
    }

    private var entries: Deque<Entry> = []
    private var firstSlot: Slot = 0
    private var heldBytes = 0
    private let maximumOwed: Int
    private let maximumHeldBytes: Int

    init(maximumOwed: Int, maximumHeldBytes: Int) {
        self.maximumOwed = maximumOwed
        self.maximumHeldBytes = maximumHeldBytes
    }

    /// Whether another request may be taken.
    var acceptsMore: Bool { entries.count < maximumOwed && heldBytes < maximumHeldBytes }

    /// How many answers have not left.
    var count: Int { entries.count }

    /// A request has arrived.
    mutating func open() -> Slot {
        entries.append(.owed)
        return firstSlot + Slot(entries.count - 1)
    }

    /// The answer of a request is known; no parts mean that none is sent.
    mutating func fill(_ slot: Slot, with parts: [AnswerPart]) {
        guard slot >= firstSlot, slot - firstSlot < Slot(entries.count) else { return }
        let position = Int(slot - firstSlot)
        guard case .owed = entries[position] else { return }
        entries[position] = .ready(parts)
        heldBytes += parts.reduce(0) { $0 + $1.length }
    }

    /// The next answer that may leave, or nil if the oldest request still waits.
    mutating func popReady() -> [AnswerPart]? {
        guard case .ready(let parts)? = entries.first else { return nil }
        entries.removeFirst()
        firstSlot += 1
        heldBytes -= parts.reduce(0) { $0 + $1.length }
        return parts
    }
}
