import KafkaClient
import NIOCore
import Testing

@testable import ConnectRuntime

/// The bytes of Kafka Connect's rebalance protocol, written out by hand from its definition.
struct ConnectProtocolTests {
    private func bytes(_ buffer: ByteBuffer) -> String {
        buffer.readableBytesView.map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    private func buffer(_ hex: String) -> ByteBuffer {
        var buffer = ByteBuffer()
        var digits = Substring(hex.filter { !$0.isWhitespace })
        while digits.count >= 2 {
            buffer.writeInteger(UInt8(digits.prefix(2), radix: 16) ?? 0)
            digits = digits.dropFirst(2)
        }
        return buffer
    }

    /// `http://a:1/`
    private let url = "000b" + "687474703a2f2f613a312f"
    /// Connector a with itself and tasks 0 and 1: [{"a", [-1, 0, 1]}]
    private let work = "00000001" + "000161" + "00000003" + "ffffffff" + "00000000" + "00000001"

    private var share: WorkShare {
        WorkShare(connectors: ["a"], tasks: [TaskID(connector: "a", task: 0), TaskID(connector: "a", task: 1)])
    }

    @Test func metadataOfEveryVersion() {
        let fresh = ConnectProtocol.Metadata(url: "http://a:1/", configOffset: -1)
        let none = "ffffffffffffffff"
        #expect(bytes(ConnectProtocol.encode(fresh, .eager)) == "0000" + url + none)
        #expect(bytes(ConnectProtocol.encode(fresh, .compatible)) == "0001" + url + none + "ffffffff")
        #expect(bytes(ConnectProtocol.encode(fresh, .sessioned)) == "0002" + url + none + "ffffffff")
        for version in [ConnectProtocol.Version.eager, .compatible, .sessioned] {
            #expect(ConnectProtocol.metadata(ConnectProtocol.encode(fresh, version)) == fresh)
        }
    }

    @Test func metadataWithAnAllocation() {
        let allocation = ConnectProtocol.Assignment(
            leader: "m", leaderURL: "http://a:1/", configOffset: 7, assigned: share)
        let metadata = ConnectProtocol.Metadata(url: "http://a:1/", configOffset: 7, allocation: allocation)
        let inner =
            "0002" + "0000" + "00016d" + url + "0000000000000007" + work + "00000000" + "00000000"
        let length = String(inner.count / 2, radix: 16)
        let expected =
            "0002" + url + "0000000000000007" + String(repeating: "0", count: 8 - length.count) + length + inner
        #expect(bytes(ConnectProtocol.encode(metadata, .sessioned)) == expected)
        #expect(ConnectProtocol.metadata(buffer(expected)) == metadata)
    }

    @Test func assignmentOfEveryVersion() {
        let assignment = ConnectProtocol.Assignment(
            leader: "m", leaderURL: "http://a:1/", configOffset: 5, assigned: share)
        let head = "0000" + "00016d" + url + "0000000000000005" + work
        #expect(bytes(ConnectProtocol.encode(assignment, .eager)) == "0000" + head)
        #expect(bytes(ConnectProtocol.encode(assignment, .compatible)) == "0001" + head + "00000000" + "00000000")
        var revoking = assignment
        revoking.revoked = WorkShare(connectors: [], tasks: [TaskID(connector: "b", task: 3)])
        revoking.delay = 1000
        let expected = "0002" + head + "00000001" + "000162" + "00000001" + "00000003" + "000003e8"
        #expect(bytes(ConnectProtocol.encode(revoking, .sessioned)) == expected)
        #expect(ConnectProtocol.assignment(buffer(expected)) == revoking)
    }

    @Test func nullArraysAndMissingFieldsAreEmpty() {
        let head = "0001" + "0000" + "00016d" + url + "0000000000000005"
        let empty = ConnectProtocol.Assignment(leader: "m", leaderURL: "http://a:1/", configOffset: 5)
        #expect(ConnectProtocol.assignment(buffer(head)) == empty)
        #expect(ConnectProtocol.assignment(buffer(head + "ffffffff" + "ffffffff" + "00000000")) == empty)
    }

    @Test func damagedBytesAreRefused() {
        let good = ConnectProtocol.encode(
            ConnectProtocol.Assignment(leader: "m", leaderURL: "http://a:1/", configOffset: 5, assigned: share),
            .sessioned)
        for length in 1..<20 {
            #expect(ConnectProtocol.assignment(good.getSlice(at: 0, length: length) ?? ByteBuffer()) == nil)
        }
        // Counts that promise more than there is.
        let head = "0002" + "0000" + "00016d" + url + "0000000000000005"
        #expect(ConnectProtocol.assignment(buffer(head + "7fffffff")) == nil)
        #expect(ConnectProtocol.assignment(buffer(head + "00000001" + "000161" + "7fffffff")) == nil)
        #expect(ConnectProtocol.metadata(buffer("0002" + url + "0000000000000005" + "7fffffff")) == nil)
        #expect(ConnectProtocol.metadata(ByteBuffer()) == nil)
    }

    @Test func offersComeInConnectsOrder() {
        let metadata = ConnectProtocol.Metadata(url: "u", configOffset: 0)
        #expect(
            ConnectProtocol.offers(metadata, mode: .sessioned).map(\.name) == ["sessioned", "compatible", "default"])
        #expect(ConnectProtocol.offers(metadata, mode: .compatible).map(\.name) == ["compatible", "default"])
        #expect(ConnectProtocol.offers(metadata, mode: .eager).map(\.name) == ["default"])
    }
}
