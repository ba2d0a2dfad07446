/// The seam below the log: files and folders, nothing of Kafka. The disk, memory and the fault-injecting file system of
/// `KafkaTesting` implement it.
public protocol FileSystem: Sendable {
    /// Opens a file for reading and writing. If it is absent, `create` makes it; otherwise that is `.notFound`.
    func open(_ path: String, create: Bool) throws(StorageError) -> any StorageFile

    /// Size and modification time of a file or folder; nil if it does not exist.
    func information(_ path: String) throws(StorageError) -> FileInformation?

    /// The names in a folder, in no particular order, without `.` and `..`.
    func list(_ directory: String) throws(StorageError) -> [String]

    /// Creates a folder and those above it; a folder that exists is no error.
    func createDirectory(_ path: String) throws(StorageError)

    /// Gives a file or folder another name, atomically; a file that has that name already is replaced.
    func rename(_ source: String, to destination: String) throws(StorageError)

    /// Removes a file's name; open handles stay valid. An absent file is no error.
    func remove(_ path: String) throws(StorageError)

    /// Removes an empty folder. An absent folder is no error.
    func removeDirectory(_ path: String) throws(StorageError)

    /// Makes the creation, renaming and removal of the folder's entries durable.
    func syncDirectory(_ path: String) throws(StorageError)

    /// Takes the lock file at `path` for this process, creating it if absent. Dropping the returned object releases it.
    /// - Throws: `.locked` if another holder has it.
    func lock(_ path: String) throws(StorageError) -> any FileLock
}

/// An open file. It stays readable after its name has been removed, and closes itself when the last reference goes.
public protocol StorageFile: AnyObject, Sendable {
    /// The file's length in bytes.
    func size() throws(StorageError) -> Int64

    /// Writes `head` and then `body` at `position` in one call to the system; either may be empty.
    ///
    /// After an error an unknown part of the bytes has been written.
    func write(_ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, at position: Int64) throws(StorageError)

    /// Fills the buffer from `position` on; returns the number of bytes read, less than asked only at the file's end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(StorageError) -> Int

    /// Cuts the file, or extends it with zeros.
    func truncate(to size: Int64) throws(StorageError)

    /// Returns when all bytes written before the call are on the device.
    func sync() throws(StorageError)

    /// The descriptor for `sendfile`; nil if the bytes are not in a file of the system. Valid while the object lives.
    var fileDescriptor: CInt? { get }
}

/// Size and age of a file or folder.
public struct FileInformation: Sendable {
    /// Length in bytes.
    public var size: Int64
    /// Time of the last change, in milliseconds since 1970.
    public var modificationTime: Int64
    /// Whether it is a folder.
    public var isDirectory: Bool

    /// Information with these values.
    public init(size: Int64, modificationTime: Int64, isDirectory: Bool) {
        self.size = size
        self.modificationTime = modificationTime
        self.isDirectory = isDirectory
    }
}

/// A held lock file; dropping the reference releases it.
public protocol FileLock: AnyObject, Sendable {}

extension StorageFile {
    /// Writes all bytes at `position`.
    func write(_ bytes: [UInt8], at position: Int64) throws(StorageError) {
        var failure: StorageError?
        bytes.withUnsafeBytes { raw in
            do throws(StorageError) {
                try self.write(UnsafeRawBufferPointer(start: nil, count: 0), raw, at: position)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// The bytes from `position` on, fewer than `count` only at the file's end.
    func readBytes(at position: Int64, count: Int) throws(StorageError) -> [UInt8] {
        var failure: StorageError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { raw, initialized in
            do throws(StorageError) {
                initialized = try self.read(into: UnsafeMutableRawBufferPointer(raw), at: position)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }
}

extension FileSystem {
    /// The whole file; nil if it does not exist.
    func contents(of path: String) throws(StorageError) -> [UInt8]? {
        guard let information = try information(path) else { return nil }
        return try open(path, create: false).readBytes(at: 0, count: Int(information.size))
    }

    /// Creates a folder and those above it, and makes their names durable. One above that may not be read keeps its own
    /// entries for itself.
    func createDirectoryDurably(_ path: String) throws(StorageError) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return try createDirectory(path) }
        let parent = String(path[..<slash])
        if try information(parent) == nil { try createDirectoryDurably(parent) }
        try createDirectory(path)
        do throws(StorageError) {
            try syncDirectory(parent)
        } catch {
            guard error.code == .permissionDenied else { throw error }
        }
    }

    /// Replaces a file so that a crash leaves either the old or the new content: temporary file, sync, rename, and sync of
    /// the folder.
    func replace(_ name: String, in directory: String, with bytes: [UInt8]) throws(StorageError) {
        let temporary = "\(directory)/\(name).tmp"
        try remove(temporary)
        let file = try open(temporary, create: true)
        try file.write(bytes, at: 0)
        try file.sync()
        try rename(temporary, to: "\(directory)/\(name)")
        try syncDirectory(directory)
    }
}
