public import KafkaProtocol
import NIOCore

/// W3C Trace Context: which trace a message belongs to, and which step of it sent the message.
///
/// The template writes the current context's child to the `traceparent` header; the listener runs the handler with the
/// context of its message. `TraceContext.$current.withValue` sets it where a trace begins, such as in an HTTP handler.
public struct TraceContext: Hashable, Sendable {
    /// The header's name, in HTTP and in records.
    public static let headerName = "traceparent"
    /// The context that this task works in.
    @TaskLocal public static var current: TraceContext?

    /// 32 hexadecimal digits in lower case, not all zero.
    public var traceID: String
    /// 16 hexadecimal digits in lower case, not all zero: the sender's step.
    public var spanID: String
    /// The flags; bit 0 says that the trace is recorded.
    public var flags: UInt8

    /// Starts a trace of its own.
    public init(recorded: Bool = true) {
        traceID = Self.randomDigits(32)
        spanID = Self.randomDigits(16)
        flags = recorded ? 1 : 0
    }

    /// Reads a `traceparent`; nil if it is malformed, which the specification wants ignored.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, Self.isHex(parts[0], 2), parts[0] != "ff", parts[0] != "00" || parts.count == 4,
            Self.isHex(parts[1], 32), parts[1].contains(where: { $0 != "0" }),
            Self.isHex(parts[2], 16), parts[2].contains(where: { $0 != "0" }),
            Self.isHex(parts[3], 2), let flags = UInt8(parts[3], radix: 16)
        else { return nil }
        traceID = String(parts[1])
        spanID = String(parts[2])
        self.flags = flags
    }

    /// The same trace, one step on.
    public func child() -> TraceContext {
        var child = self
        child.spanID = Self.randomDigits(16)
        return child
    }

    /// The header's value.
    public var traceparent: String {
        let digits = String(flags, radix: 16)
        return "00-\(traceID)-\(spanID)-\(digits.count == 1 ? "0" : "")\(digits)"
    }

    /// The context in a record's headers.
    public init?(headers: [RecordHeader]) {
        guard let value = headers.last(where: { $0.key == Self.headerName })?.value else { return nil }
        self.init(String(buffer: value))
    }

    private static func isHex(_ text: some StringProtocol, _ count: Int) -> Bool {
        text.utf8.count == count
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    private static func randomDigits(_ count: Int) -> String {
        var text = ""
        while text.utf8.count < count {
            let digits = String(UInt64.random(in: 1...UInt64.max), radix: 16)
            text += String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }
        return text
    }
}
