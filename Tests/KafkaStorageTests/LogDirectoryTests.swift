import Foundation
import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaStorage

@Suite struct LogDirectoryTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func failure(_ body: () throws -> Void) -> StorageError? {
        do {
            try body()
            return nil
        } catch {
            return error as? StorageError
        }
    }

    @Test func aFolderInUseIsNamedWithTheRemedy() throws {
        let first = try openDirectory(folder)
        let error = try #require(failure { _ = try openDirectory(folder) })
        #expect(error.code == .locked)
        #expect(error.message.contains(folder.path))
        #expect(error.message.contains("process \(ProcessInfo.processInfo.processIdentifier)"))
        #expect(error.message.contains("Stop that one"))
        try first.close()
        try openDirectory(folder).close()
    }

    /// The logs hold what the services exchange, and the connectors' passwords.
    @Test func whatIsCreatedIsForItsOwnerOnly() throws {
        let path = folder.path + "/inner/data"
        let files = DiskFileSystem()
        try files.createDirectory(path)
        _ = try files.open(path + "/file", create: true)
        for (name, mode) in [("/inner", 0o700), ("/inner/data", 0o700), ("/inner/data/file", 0o600)] {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + name)
            #expect(attributes[.posixPermissions] as? Int == mode, "\(name)")
        }
    }

    /// A child process takes the lock as Kafka does on its side, with flock.
    @Test func aFolderLockedByAnotherProcessIsRefused() throws {
        let child = Process()
        child.executableURL = URL(filePath: "/usr/bin/env")
        child.arguments = ["flock", "-n", "\(folder.path)/.lock", "sh", "-c", "echo held; read line"]
        let output = Pipe()
        let input = Pipe()
        child.standardOutput = output
        child.standardInput = input
        try child.run()
        #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) == "held\n")
        #expect(failure { _ = try openDirectory(folder) }?.code == .locked)
        child.terminate()
        try input.fileHandleForWriting.close()
        child.waitUntilExit()
    }

    @Test func aFolderThatCannotBeWrittenIsNamedWithTheRemedy() throws {
        // Also for root, whom permissions do not stop.
        let error = try #require(
            failure { _ = try LogDirectory.open(path: "/proc/sluice/data", options: testOptions()) })
        #expect(error.message.contains("/proc/sluice/data"))
        if getuid() != 0 {
            chmod(folder.path, 0o555)
            let error = try #require(failure { _ = try openDirectory(folder) })
            chmod(folder.path, 0o755)
            #expect(error.code == .permissionDenied)
            #expect(error.message.contains("Give this user the right"))
        }
    }

    @Test func identityIsKeptAndCompared() throws {
        let first = try openDirectory(folder)
        let id = first.clusterID
        #expect(KafkaUUID(base64: id) != nil)
        #expect(id.count == 22)
        let lines = try String(decoding: folder.bytes("meta.properties"), as: UTF8.self).split(separator: "\n")
        #expect(lines.starts(with: ["version=1", "cluster.id=\(id)", "node.id=1"]))
        try first.close()
        let again = try openDirectory(folder)
        #expect(again.clusterID == id)
        try again.close()
        var options = testOptions()
        options.nodeID = 2
        #expect(
            failure { _ = try LogDirectory.open(path: folder.path, options: options) }?.code == .inconsistentIdentity)
        options = testOptions()
        options.clusterID = "AAAAAAAAAAAAAAAAAAAAAA"
        #expect(
            failure { _ = try LogDirectory.open(path: folder.path, options: options) }?.code == .inconsistentIdentity)
        try folder.write(Array("version=1\n".utf8), to: "meta.properties")
        #expect(failure { _ = try openDirectory(folder) }?.code == .inconsistentIdentity)
    }

    @Test func logsAreListedAndDeleted() throws {
        let directory = try openDirectory(folder)
        for (topic, partition) in [("b", 0), ("a-b.c", 10), ("a-b.c", 2), ("__consumer_offsets", 49)] {
            _ = try directory.openLog(topic: topic, partition: Int32(partition))
        }
        let names = try directory.existingLogs().map(\.description)
        #expect(names == ["__consumer_offsets-49", "a-b.c-2", "a-b.c-10", "b-0"])
        let log = try directory.openLog(topic: "b", partition: 0)
        #expect(log === (try directory.openLog(topic: "b", partition: 0)))
        try directory.deleteLog(topic: "b", partition: 0)
        #expect(failure { try directory.deleteLog(topic: "b", partition: 0) }?.code == .notFound)
        #expect(try directory.existingLogs().count == 3)
        // What a crash in the middle of a deletion leaves.
        try directory.close()
        try FileManager.default.moveItem(
            atPath: "\(folder.path)/a-b.c-2", toPath: "\(folder.path)/a-b.c-2.0123456789-delete")
        let again = try openDirectory(folder)
        #expect(try again.existingLogs().map(\.description) == ["__consumer_offsets-49", "a-b.c-10"])
        #expect(!folder.exists("a-b.c-2.0123456789-delete"))
    }

    @Test func aDamagedCheckpointMeansACompleteScan() throws {
        let directory = try openDirectory(folder)
        let log = try directory.openLog(topic: "t", partition: 0)
        for index in 0..<10 { _ = try log.append(try makeBatch(["v\(index)"])) }
        try log.flush()
        try directory.checkpoint()
        for text in ["", "0\n2\nt 0 10\n", "1\n1\nt 0 10\n", "0\n1\nt 0 -4\n", "0\n1\nt zero 10\n"] {
            let copy = try folder.copy()
            try copy.write(Array(text.utf8), to: "recovery-point-offset-checkpoint")
            let recovered = try openDirectory(copy).openLog(topic: "t", partition: 0)
            #expect(recovered.logEndOffset == 10)
            #expect(recovered.recovery.scannedBytes == recovered.size)
        }
    }

    @Test func inMemoryFilesHoldALogToo() throws {
        let directory = try LogDirectory.open(
            path: "/memory/data", fileSystem: InMemoryFileSystem(), options: testOptions())
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments(1000))
        for index in 0..<50 { _ = try log.append(try makeBatch(["v\(index)"])) }
        try log.flush()
        #expect(try log.values() == (0..<50).map { "v\($0)" })
        try directory.deleteLog(topic: "t", partition: 0)
        #expect(try directory.existingLogs().isEmpty)
    }
}
