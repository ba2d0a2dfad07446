/// A regular expression for topic names and transactional ids: the part of RE2's syntax (which Kafka uses) that such names
/// call for, matched in time proportional to pattern × text, so that a client cannot stall the broker with one.
///
/// Literals, `.`, classes `[a-z]` `[^…]` `\d` `\w` `\s` and their opposites, POSIX classes, `^` `$`, groups (also `(?:…)`
/// and `(?i)` at the beginning), `|`, `*` `+` `?` `{n,m}`, lazy or not. A match covers the whole text.
struct TextPattern: Sendable {
    /// What is wrong with a pattern, for people.
    struct Fault: Error {
        var message: String
    }

    enum Step: Sendable {
        case scalars(ScalarSet)
        case jump(Int)
        case split(Int, Int)
        case atStart
        case atEnd
        case match
    }

    /// Steps that a pattern may come to: repetitions multiply.
    static let largestProgram = 10_000

    let source: String
    private let program: [Step]

    init(_ source: String) throws(Fault) {
        self.source = source
        var parser = TextPatternParser(source)
        let tree = try parser.parse()
        var compiler = TextPatternCompiler()
        try compiler.emit(tree)
        program = compiler.program + [.match]
    }

    /// Whether the pattern matches all of the text.
    func matches(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars)
        var threads: [Int] = []
        var seen = [Int](repeating: -1, count: program.count)
        add(0, at: 0, scalars.count, &threads, &seen)
        for (position, scalar) in scalars.enumerated() {
            if threads.isEmpty { return false }
            var next: [Int] = []
            for thread in threads {
                if case .scalars(let set) = program[thread], set.contains(scalar) {
                    add(thread + 1, at: position + 1, scalars.count, &next, &seen)
                }
            }
            threads = next
        }
        return threads.contains { if case .match = program[$0] { true } else { false } }
    }

    /// Follows jumps from a step on; each step is visited once per position.
    private func add(_ start: Int, at position: Int, _ end: Int, _ threads: inout [Int], _ seen: inout [Int]) {
        var pending = [start]
        while let step = pending.popLast() {
            guard seen[step] != position else { continue }
            seen[step] = position
            switch program[step] {
            case .jump(let target): pending.append(target)
            case .split(let first, let second): pending += [second, first]
            case .atStart: if position == 0 { pending.append(step + 1) }
            case .atEnd: if position == end { pending.append(step + 1) }
            case .scalars, .match: threads.append(step)
            }
        }
    }
}

/// Some characters: ranges of Unicode scalars, or all others.
struct ScalarSet: Sendable {
    var ranges: [ClosedRange<UInt32>] = []
    var isNegated = false
    var ignoresCase = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        func isIn(_ value: UInt32) -> Bool { ranges.contains { $0.contains(value) } }
        var isFound = isIn(scalar.value)
        if !isFound, ignoresCase, scalar.isASCII, scalar.properties.isAlphabetic { isFound = isIn(scalar.value ^ 0x20) }
        return isFound != isNegated
    }
}

/// Turns the tree of a pattern into steps (Thompson's construction).
struct TextPatternCompiler {
    var program: [TextPattern.Step] = []

    mutating func emit(_ node: TextPatternParser.Node) throws(TextPattern.Fault) {
        guard program.count < TextPattern.largestProgram else {
            throw TextPattern.Fault(message: "the pattern is too large")
        }
        switch node {
        case .empty: break
        case .scalars(let set): program.append(.scalars(set))
        case .start: program.append(.atStart)
        case .end: program.append(.atEnd)
        case .sequence(let nodes): for node in nodes { try emit(node) }
        case .choice(let nodes): try emitChoice(nodes[...])
        case .repeated(let node, let least, let most): try emitRepeated(node, least, most)
        }
    }

    private mutating func emitChoice(_ nodes: ArraySlice<TextPatternParser.Node>) throws(TextPattern.Fault) {
        guard let first = nodes.first else { return }
        guard nodes.count > 1 else { return try emit(first) }
        let split = program.count
        program.append(.jump(0))
        try emit(first)
        let jump = program.count
        program.append(.jump(0))
        program[split] = .split(split + 1, program.count)
        try emitChoice(nodes.dropFirst())
        program[jump] = .jump(program.count)
    }

    private mutating func emitRepeated(
        _ node: TextPatternParser.Node, _ least: Int, _ most: Int?
    ) throws(TextPattern.Fault) {
        for _ in 0..<least { try emit(node) }
        guard let most else {
            let split = program.count
            program.append(.jump(0))
            try emit(node)
            program.append(.jump(split))
            program[split] = .split(split + 1, program.count)
            return
        }
        for _ in least..<max(least, most) {
            let split = program.count
            program.append(.jump(0))
            try emit(node)
            program[split] = .split(split + 1, program.count)
        }
    }
}
