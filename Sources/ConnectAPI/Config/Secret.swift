/// A text that cannot be printed by accident: every description of it is `[hidden]`.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// What REST and logs show in place of a secret (Kafka's `Password.HIDDEN`).
    public static let hidden = "[hidden]"

    /// The secret itself. The only way to it; name it where it is needed and nowhere else.
    public let revealed: String

    /// Wraps a secret.
    public init(_ text: String) {
        self.revealed = text
    }

    /// `[hidden]`.
    public var description: String { Self.hidden }
    /// `[hidden]`.
    public var debugDescription: String { Self.hidden }
    /// Shows nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
