internal import NIOConcurrencyHelpers
internal import NIOCore

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// The keys of a listener, read anew when one of their files has changed: certificates are renewed without a restart.
public final class TLSContextSource: Sendable {
    /// What a look at the files has found.
    public enum Change: Sendable {
        /// Nothing.
        case none
        /// New files, which are used from now on.
        case reloaded
        /// New files that cannot be used.
        case failed(TLSError)
    }

    /// What tells one state of a file from another.
    private struct Stamp: Equatable {
        var seconds: Int
        var nanoseconds: Int
        var size: Int64
        var node: UInt64

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            #if canImport(Darwin)
                let time = status.st_mtimespec
            #else
                let time = status.st_mtim
            #endif
            (seconds, nanoseconds) = (Int(time.tv_sec), Int(time.tv_nsec))
            (size, node) = (Int64(status.st_size), UInt64(status.st_ino))
        }
    }

    private struct State {
        var context: TLSContext
        var stamps: [Stamp?]
        var lookedAt: NIODeadline
    }

    /// Files are looked at no more often than this.
    private static let interval = TimeAmount.seconds(1)

    private let settings: TLSSettings
    private let role: TLSContext.Role
    private let files: [String]
    private let state: NIOLockedValueBox<State>

    /// Reads the files.
    ///
    /// - Throws: a configuration error that names the setting or the file.
    public init(_ settings: TLSSettings, role: TLSContext.Role) throws(TLSError) {
        self.settings = settings
        self.role = role
        files = settings.files
        let stamps = files.map { Stamp($0) }
        state = NIOLockedValueBox(
            State(context: try TLSContext(settings, role: role), stamps: stamps, lookedAt: .now()))
    }

    /// The keys for a new connection.
    ///
    /// After a failure the files are not read again before they change again.
    public func current() -> (context: TLSContext, change: Change) {
        state.withLockedValue { state in
            let now = NIODeadline.now()
            guard !files.isEmpty, now - state.lookedAt >= Self.interval else { return (state.context, .none) }
            state.lookedAt = now
            let stamps = files.map { Stamp($0) }
            guard stamps != state.stamps else { return (state.context, .none) }
            state.stamps = stamps
            do throws(TLSError) {
                state.context = try TLSContext(settings, role: role)
                return (state.context, .reloaded)
            } catch {
                return (state.context, .failed(error))
            }
        }
    }
}

extension TLSSettings {
    /// The files that keys and certificates are in.
    var files: [String] { [keystore.location, truststore.location].compactMap { $0 } }
}
