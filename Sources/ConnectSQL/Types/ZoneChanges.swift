#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// When a named zone changes its offset: the system's file of the zone (RFC 9636), version 2 or later.
final class ZoneChanges: Sendable, Hashable {
    private static let folders = ["/usr/share/zoneinfo", "/var/db/timezone/zoneinfo", "/usr/lib/zoneinfo"]
    private static let largestFile = 1 << 18

    let name: String
    /// Seconds since the epoch, growing.
    private let times: [Int64]
    /// The offset from each of those times on.
    private let offsets: [Int]
    /// The offset before the first time.
    private let first: Int
    /// What holds after the last time.
    private let rule: ZoneRule?

    /// Reads a zone's file; nil if there is none, or it is damaged.
    convenience init?(_ name: String) {
        let isName = name.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "_+-/".utf8.contains($0)
        }
        guard isName, !name.isEmpty, !name.hasPrefix("/") else { return nil }
        for folder in Self.folders {
            if let bytes = Self.read("\(folder)/\(name)") {
                self.init(name, bytes)
                return
            }
        }
        return nil
    }

    init?(_ name: String, _ bytes: [UInt8]) {
        var reader = Reader(bytes: bytes)
        guard let old = reader.header(), reader.skip(old.size(time: 4)), let counts = reader.header(), counts.types > 0
        else { return nil }
        guard let times = reader.times(counts.times), let indexes = reader.take(counts.times),
            let types = reader.offsets(counts.types), indexes.allSatisfy({ $0 < types.count }),
            reader.skip(counts.characters + counts.leaps * 12 + counts.standard + counts.universal)
        else { return nil }
        self.name = name
        self.times = times
        offsets = indexes.map { types[Int($0)] }
        first = types[0]
        rule = ZoneRule(String(decoding: bytes[reader.position...], as: UTF8.self).filter { $0 != "\n" })
    }

    /// Seconds to add to UTC at an instant.
    func offset(at seconds: Int64) -> Int {
        guard let last = times.last, seconds < last || rule == nil else { return rule?.offset(at: seconds) ?? first }
        var low = 0
        var high = times.count
        while low < high {
            let middle = (low + high) / 2
            if times[middle] <= seconds { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? first : offsets[low - 1]
    }

    static func == (lhs: ZoneChanges, rhs: ZoneChanges) -> Bool { lhs.name == rhs.name }

    func hash(into hasher: inout Hasher) { hasher.combine(name) }

    private static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: largestFile)
        let count = fread(&bytes, 1, bytes.count, file)
        guard count > 44, count < largestFile else { return nil }
        return Array(bytes[..<count])
    }

    /// Takes numbers off the file, checking what is left.
    private struct Reader {
        struct Counts {
            let universal, standard, leaps, times, types, characters: Int

            func size(time: Int) -> Int {
                times * (time + 1) + types * 6 + characters + leaps * (time + 4) + standard + universal
            }
        }

        let bytes: [UInt8]
        var position = 0

        mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard count >= 0, bytes.count - position >= count else { return nil }
            defer { position += count }
            return bytes[position..<position + count]
        }

        mutating func skip(_ count: Int) -> Bool { take(count) != nil }

        mutating func number(_ width: Int) -> Int64? {
            guard let digits = take(width), let high = digits.first else { return nil }
            return digits.reduce(high >= 0x80 ? -1 : 0) { $0 << 8 | Int64($1) }
        }

        mutating func header() -> Counts? {
            guard let magic = take(4), magic.elementsEqual("TZif".utf8), let version = take(1)?.first,
                version >= UInt8(ascii: "2"), skip(15)
            else { return nil }
            var counts: [Int] = []
            for _ in 0..<6 {
                guard let count = number(4), (0...100_000).contains(count) else { return nil }
                counts.append(Int(count))
            }
            return Counts(
                universal: counts[0], standard: counts[1], leaps: counts[2], times: counts[3], types: counts[4],
                characters: counts[5])
        }

        mutating func times(_ count: Int) -> [Int64]? {
            var times: [Int64] = []
            for _ in 0..<count {
                guard let time = number(8) else { return nil }
                times.append(time)
            }
            return times
        }

        mutating func offsets(_ count: Int) -> [Int]? {
            var offsets: [Int] = []
            for _ in 0..<count {
                guard let offset = number(4), skip(2) else { return nil }
                offsets.append(Int(offset))
            }
            return offsets
        }
    }
}
