/// Reads the text of a `TextPattern`.
struct TextPatternParser {
    indirect enum Node {
        case empty
        case scalars(ScalarSet)
        case start
        case end
        case sequence([Node])
        case choice([Node])
        case repeated(Node, least: Int, most: Int?)
    }

    private typealias Fault = TextPattern.Fault

    private static let deepest = 100
    private static let mostRepeats = 1000

    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0
    private var ignoresCase = false

    init(_ source: String) { scalars = Array(source.unicodeScalars) }

    mutating func parse() throws(TextPattern.Fault) -> Node {
        if scalars.starts(with: "(?i)".unicodeScalars) {
            ignoresCase = true
            position = 4
        }
        let node = try parseChoice()
        guard position == scalars.count else { throw fault("unexpected ')'") }
        return node
    }

    private func fault(_ reason: String) -> Fault {
        Fault(message: "error parsing the regular expression at character \(position): \(reason)")
    }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take(_ wanted: Unicode.Scalar) -> Bool {
        guard next == wanted else { return false }
        position += 1
        return true
    }

    private mutating func parseChoice() throws(TextPattern.Fault) -> Node {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepest else { throw fault("groups are nested too deep") }
        var choices = [try parseSequence()]
        while take("|") { choices.append(try parseSequence()) }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func parseSequence() throws(TextPattern.Fault) -> Node {
        var nodes: [Node] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            nodes.append(try parseRepeats(try parseAtom()))
        }
        return nodes.count == 1 ? nodes[0] : nodes.isEmpty ? .empty : .sequence(nodes)
    }

    private mutating func parseRepeats(_ atom: Node) throws(TextPattern.Fault) -> Node {
        var node = atom
        if take("*") {
            node = .repeated(atom, least: 0, most: nil)
        } else if take("+") {
            node = .repeated(atom, least: 1, most: nil)
        } else if take("?") {
            node = .repeated(atom, least: 0, most: 1)
        } else if let range = try parseCounts() {
            node = .repeated(atom, least: range.least, most: range.most)
        } else {
            return node
        }
        // What is matched in full cares not whether a repetition is lazy.
        _ = take("?")
        if let scalar = next, "*+?".unicodeScalars.contains(scalar) {
            throw fault("invalid nested repetition operator")
        }
        return node
    }

    /// `{n}`, `{n,}` or `{n,m}`; other braces are characters.
    private mutating func parseCounts() throws(TextPattern.Fault) -> (least: Int, most: Int?)? {
        let start = position
        guard take("{"), let least = parseNumber() else {
            position = start
            return nil
        }
        var most: Int? = least
        if take(",") { most = parseNumber() }
        guard take("}") else {
            position = start
            return nil
        }
        guard least <= Self.mostRepeats, most.map({ $0 <= Self.mostRepeats && $0 >= least }) ?? true else {
            throw fault("invalid repeat count")
        }
        return (least, most)
    }

    private mutating func parseNumber() -> Int? {
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar), value ?? 0 < 100_000 {
            value = (value ?? 0) * 10 + Int(scalar.value - 48)
            position += 1
        }
        return value
    }

    private mutating func parseAtom() throws(TextPattern.Fault) -> Node {
        guard let scalar = next else { throw fault("the pattern ends early") }
        position += 1
        switch scalar {
        case "(":
            if take("?"), !take(":") { throw fault("this kind of group is not supported") }
            let node = try parseChoice()
            guard take(")") else { throw fault("missing closing ')'") }
            return node
        case "[": return .scalars(try parseClass())
        case ".": return .scalars(ScalarSet(ranges: [10...10], isNegated: true))
        case "^": return .start
        case "$": return .end
        case "*", "+", "?": throw fault("missing argument to repetition operator '\(scalar)'")
        case "\\":
            if take("A") { return .start }
            if take("z") { return .end }
            return .scalars(try parseEscape())
        default: return .scalars(ScalarSet(ranges: [scalar.value...scalar.value], ignoresCase: ignoresCase))
        }
    }

    private mutating func parseEscape() throws(TextPattern.Fault) -> ScalarSet {
        guard let scalar = next else { throw fault("trailing backslash") }
        position += 1
        if let ranges = Self.named(Character(Unicode.Scalar(scalar.value | 0x20) ?? scalar)) {
            return ScalarSet(ranges: ranges, isNegated: ("A"..."Z").contains(scalar))
        }
        let controls: [Unicode.Scalar: UInt32] = ["n": 10, "t": 9, "r": 13, "f": 12, "v": 11, "a": 7]
        if let value = controls[scalar] { return ScalarSet(ranges: [value...value]) }
        guard !(scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))) else {
            throw fault("invalid escape sequence \\\(scalar)")
        }
        return ScalarSet(ranges: [scalar.value...scalar.value])
    }

    private static func named(_ name: Character) -> [ClosedRange<UInt32>]? {
        switch name {
        case "d": [48...57]
        case "w": [48...57, 65...90, 95...95, 97...122]
        case "s": [9...10, 12...13, 32...32]
        default: nil
        }
    }

    private mutating func parseClass() throws(TextPattern.Fault) -> ScalarSet {
        var set = ScalarSet(ignoresCase: ignoresCase)
        set.isNegated = take("^")
        var isFirst = true
        while true {
            guard let scalar = next else { throw fault("missing closing ']'") }
            if scalar == "]", !isFirst {
                position += 1
                return set
            }
            isFirst = false
            if let ranges = try parsePOSIXClass() {
                set.ranges += ranges
                continue
            }
            let low = try parseClassItem()
            guard low.count == 1, let first = low.first, first.count == 1, next == "-",
                position + 1 < scalars.count, scalars[position + 1] != "]"
            else {
                set.ranges += low
                continue
            }
            position += 1
            let high = try parseClassItem()
            guard high.count == 1, let last = high.first, last.count == 1, first.lowerBound <= last.lowerBound else {
                throw fault("invalid character class range")
            }
            set.ranges.append(first.lowerBound...last.lowerBound)
        }
    }

    private mutating func parseClassItem() throws(TextPattern.Fault) -> [ClosedRange<UInt32>] {
        guard let scalar = next else { throw fault("missing closing ']'") }
        position += 1
        guard scalar == "\\" else { return [scalar.value...scalar.value] }
        let set = try parseEscape()
        guard set.isNegated else { return set.ranges }
        var ranges: [ClosedRange<UInt32>] = []
        var from: UInt32 = 0
        for range in set.ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > from { ranges.append(from...range.lowerBound - 1) }
            from = range.upperBound + 1
        }
        return ranges + [from...0x10FFFF]
    }

    /// `[:alpha:]` and its like.
    private mutating func parsePOSIXClass() throws(TextPattern.Fault) -> [ClosedRange<UInt32>]? {
        guard scalars[position...].starts(with: "[:".unicodeScalars) else { return nil }
        let names: [(name: String, ranges: [ClosedRange<UInt32>])] = [
            ("[:alnum:]", [48...57, 65...90, 97...122]), ("[:alpha:]", [65...90, 97...122]), ("[:digit:]", [48...57]),
            ("[:lower:]", [97...122]), ("[:upper:]", [65...90]), ("[:space:]", [9...13, 32...32]),
            ("[:punct:]", [33...47, 58...64, 91...96, 123...126]), ("[:word:]", [48...57, 65...90, 95...95, 97...122]),
            ("[:xdigit:]", [48...57, 65...70, 97...102]),
        ]
        for entry in names where scalars[position...].starts(with: entry.name.unicodeScalars) {
            position += entry.name.unicodeScalars.count
            return entry.ranges
        }
        throw fault("invalid character class")
    }
}
