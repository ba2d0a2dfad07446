/// The last offset of every key in the part of a log that is to be cleaned (Kafka's `SkimpyOffsetMap`): 24 bytes a slot,
/// never more than it was allowed.
struct OffsetMap: Sendable {
    private struct Slot {
        var hash: KeyHash.Value
        /// -1 if the slot is free.
        var offset: Int64
    }

    private static let free = Slot(hash: KeyHash.Value(low: 0, high: 0), offset: -1)

    private let hash = KeyHash()
    /// Keys that may be held.
    let limit: Int
    private(set) var count = 0
    private var slots: [Slot]

    /// A map of up to `limit` keys, which grows as it is filled.
    init(limit: Int) {
        self.limit = max(1, limit)
        slots = Array(repeating: Self.free, count: 1024)
    }

    /// Notes that the key has been seen at `offset`; false if the key is not known and there is no room for it.
    mutating func put(_ key: UnsafeRawBufferPointer, _ offset: Int64) -> Bool {
        let hash = hash.hash(key)
        var place = find(hash)
        if slots[place].offset < 0 {
            guard count < limit else { return false }
            if (count + 1) * 4 > slots.count * 3 {
                grow()
                place = find(hash)
            }
            count += 1
        }
        slots[place] = Slot(hash: hash, offset: offset)
        return true
    }

    /// The key's last offset; nil if it has not been seen.
    func offset(of key: UnsafeRawBufferPointer) -> Int64? {
        let offset = slots[find(hash.hash(key))].offset
        return offset < 0 ? nil : offset
    }

    private func find(_ hash: KeyHash.Value) -> Int {
        let mask = slots.count - 1
        var place = Int(truncatingIfNeeded: hash.low) & mask
        while slots[place].offset >= 0, slots[place].hash != hash { place = (place + 1) & mask }
        return place
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Self.free, count: old.count * 2)
        for slot in old where slot.offset >= 0 { slots[find(slot.hash)] = slot }
    }
}
