import Glibc
import KafkaProtocol
import NIOCore
import Testing

/// A blocking connection that sends frames as a test wants them.
final class RawConnection {
    struct Closed: Error {}
    struct TimedOut: Error {}

    private let descriptor: Int32
    private var nextCorrelation: Int32 = 1

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Closed() }
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// How long to wait for the broker.
    func setTimeout(milliseconds: Int) {
        var limit = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    func send(_ bytes: ByteBuffer) throws {
        var rest = bytes.readableBytesView[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { throw Closed() }
            rest = rest.dropFirst(sent)
        }
    }

    /// The next frame without its size.
    func receiveFrame() throws -> ByteBuffer {
        var header = try receive(4)
        return try receive(Int(header.readInteger(as: Int32.self) ?? 0))
    }

    /// Bytes as they come.
    func receiveBytes(_ count: Int) throws -> [UInt8] { Array(try receive(count).readableBytesView) }

    /// Whether the broker has closed the connection; waits until it has or the time is up.
    func isClosedByPeer() -> Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, 0)
        return count == 0 || (count < 0 && errno == ECONNRESET)
    }

    private func receive(_ count: Int) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        while buffer.readableBytes < count {
            let missing = count - buffer.readableBytes
            let received = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: missing) { raw in
                max(0, recv(descriptor, raw.baseAddress, missing, 0))
            }
            guard received > 0 else { throw errno == EAGAIN ? TimedOut() as any Error : Closed() }
        }
        return buffer
    }

    /// Sends a request and returns its correlation id.
    @discardableResult
    func send<R: KafkaRequest>(_ request: R, version: Int16, client: String = "raw") throws -> Int32 {
        let (frame, correlation) = try frame(request, version: version, client: client)
        try send(frame)
        return correlation
    }

    /// A request as it is sent, for those that are not sent at once.
    func frame<R: KafkaRequest>(
        _ request: R, version: Int16, client: String = "raw"
    ) throws -> (bytes: ByteBuffer, correlation: Int32) {
        let correlation = nextCorrelation
        nextCorrelation += 1
        var writer = WireWriter()
        writer.writeInt32(0)
        RequestHeader(apiKey: R.apiKey, apiVersion: version, correlationId: correlation, clientId: client)
            .encode(into: &writer)
        try request.encode(into: &writer, version: version)
        writer.buffer.setInteger(Int32(writer.buffer.readableBytes - 4), at: 0)
        return (writer.buffer, correlation)
    }

    /// Receives the answer of a request, which must be the next to come and hold no byte too many.
    func receive<R: KafkaRequest>(_: R.Type, correlation: Int32, version: Int16) throws -> R.Response {
        let frame = try receiveFrame()
        var reader = WireReader(frame)
        let header = try ResponseHeader.decode(from: &reader, apiKey: R.apiKey, version: version)
        #expect(header.correlationId == correlation)
        let response = try R.Response.decode(from: &reader, version: version)
        #expect(reader.remaining == 0, "\(R.apiKey) v\(version) has bytes left over")
        return response
    }

    func call<R: KafkaRequest>(_ request: R, version: Int16? = nil) throws -> R.Response {
        let version = version ?? R.validVersions.upperBound
        return try receive(R.self, correlation: send(request, version: version), version: version)
    }
}

/// Requests that several tests make.
extension RawConnection {
    /// Sets limits of a quota's entity.
    func setQuotas(_ limits: [String: Double], type: String = "client-id", name: String? = "raw") throws {
        var entity = AlterClientQuotasRequest.EntryData.EntityData()
        (entity.entityType, entity.entityName) = (type, name)
        var entry = AlterClientQuotasRequest.EntryData()
        entry.entity = [entity]
        entry.ops = limits.map { key, value in
            var op = AlterClientQuotasRequest.EntryData.OpData()
            (op.key, op.value) = (key, value)
            return op
        }
        var request = AlterClientQuotasRequest()
        request.entries = [entry]
        let answer = try call(request).entries.first
        #expect(answer?.errorCode == ErrorCode.none, "\(answer?.errorMessage ?? "")")
    }

    /// Logs in by PLAIN; the answer to the last message.
    func logIn(_ user: String, _ password: String, mechanism: String = "PLAIN") throws -> SaslAuthenticateResponse {
        var handshake = SaslHandshakeRequest()
        handshake.mechanism = mechanism
        let accepted = try call(handshake, version: 1)
        #expect(accepted.errorCode == .none)
        var message = SaslAuthenticateRequest()
        message.authBytes = ByteBuffer(string: "\0\(user)\0\(password)")
        return try call(message)
    }

    func createTopic(_ name: String, partitions: Int32 = 1, configs: [String: String] = [:]) throws {
        var topic = CreateTopicsRequest.CreatableTopic()
        topic.name = name
        topic.numPartitions = partitions
        topic.replicationFactor = 1
        topic.configs = configs.map { key, value in
            var config = CreateTopicsRequest.CreatableTopic.CreatableTopicConfig()
            config.name = key
            config.value = value
            return config
        }
        var request = CreateTopicsRequest()
        request.topics = [topic]
        let result = try #require(try call(request).topics.first)
        #expect(result.errorCode == .none, "\(result.errorMessage ?? "")")
    }

    static func batch(_ values: [String], key: String? = "k", timestamp: Int64 = 1_700_000_000_000) throws -> ByteBuffer
    {
        var builder = RecordBatchBuilder(compression: .none)
        for (index, value) in values.enumerated() {
            builder.append(
                timestamp: timestamp + Int64(index), key: key.map { ByteBuffer(string: $0) },
                value: ByteBuffer(string: value))
        }
        return try builder.build()
    }

    static func produceRequest(
        _ topic: String, _ records: ByteBuffer, partition: Int32 = 0, acks: Int16 = -1
    ) -> ProduceRequest {
        var data = ProduceRequest.TopicProduceData.PartitionProduceData()
        data.index = partition
        data.records = records
        var entry = ProduceRequest.TopicProduceData()
        entry.name = topic
        entry.partitionData = [data]
        var request = ProduceRequest()
        request.acks = acks
        request.timeoutMs = 10_000
        request.topicData = [entry]
        return request
    }

    typealias ProduceResult = ProduceResponse.TopicProduceResponse.PartitionProduceResponse

    @discardableResult
    func produce(_ topic: String, _ records: ByteBuffer, partition: Int32 = 0, acks: Int16 = -1) throws -> ProduceResult
    {
        let response = try call(Self.produceRequest(topic, records, partition: partition, acks: acks), version: 12)
        return try #require(response.responses.first?.partitionResponses.first)
    }

    static func fetchRequest(
        _ topic: String, offset: Int64, maxWait: Int32 = 0, minBytes: Int32 = 1, maxBytes: Int32 = 1 << 20
    ) -> FetchRequest {
        var partition = FetchRequest.FetchTopic.FetchPartition()
        partition.fetchOffset = offset
        partition.partitionMaxBytes = maxBytes
        var entry = FetchRequest.FetchTopic()
        entry.topic = topic
        entry.partitions = [partition]
        var request = FetchRequest()
        request.maxWaitMs = maxWait
        request.minBytes = minBytes
        request.topics = [entry]
        return request
    }

    typealias FetchResult = FetchResponse.FetchableTopicResponse.PartitionData

    func fetch(_ topic: String, offset: Int64, maxWait: Int32 = 0, maxBytes: Int32 = 1 << 20) throws -> FetchResult {
        let request = Self.fetchRequest(topic, offset: offset, maxWait: maxWait, maxBytes: maxBytes)
        return try #require(try call(request, version: 12).responses.first?.partitions.first)
    }

    static func values(_ records: ByteBuffer?) throws -> [String] {
        try RecordBatches.records(in: records ?? ByteBuffer(), from: 0).flatMap { batch in
            try batch.records().map { $0.value.map { String(buffer: $0) } ?? "" }
        }
    }
}
