import KafkaStorage
import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A slice of a segment on its way into a socket, with a descriptor of its own: the channel wants to be its only user,
/// and the segment may be deleted meanwhile.
final class OutgoingFile: Sendable {
    /// What the channel sends.
    let region: FileRegion

    /// Nil if the slice is not in a file of the system or there are no more descriptors.
    init?(_ slice: FileSlice) {
        guard let descriptor = slice.file.fileDescriptor else { return nil }
        let own = withExtendedLifetime(slice) { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
        guard own >= 0 else { return nil }
        let start = Int(slice.position)
        region = FileRegion(
            fileHandle: NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: own), readerIndex: start,
            endIndex: start + slice.length)
    }

    deinit { close() }

    /// Gives the descriptor back; to be called when the channel is done with it.
    func close() {
        if region.fileHandle.isOpen { try? region.fileHandle.close() }
    }
}
