import KafkaProtocol
import NIOCore

/// Reads and writes back any message by its name.
enum MessageTable {
    typealias Codec = ([UInt8], Int16) throws -> [UInt8]

    static func codec<M: KafkaMessage>(_ type: M.Type) -> Codec {
        { bytes, version in
            var reader = WireReader(ByteBuffer(bytes: bytes))
            let message = try type.decode(from: &reader, version: version)
            guard reader.remaining == 0 else { throw WireError("\(reader.remaining) bytes left over") }
            var writer = WireWriter()
            try message.encode(into: &writer, version: version)
            return Array(writer.buffer.readableBytesView)
        }
    }

    static var codecs: [String: Codec] {
        [
            "AddOffsetsToTxnRequest": codec(AddOffsetsToTxnRequest.self),
            "AddOffsetsToTxnResponse": codec(AddOffsetsToTxnResponse.self),
            "AddPartitionsToTxnRequest": codec(AddPartitionsToTxnRequest.self),
            "AddPartitionsToTxnResponse": codec(AddPartitionsToTxnResponse.self),
            "AlterConfigsRequest": codec(AlterConfigsRequest.self),
            "AlterConfigsResponse": codec(AlterConfigsResponse.self),
            "ApiVersionsRequest": codec(ApiVersionsRequest.self),
            "ApiVersionsResponse": codec(ApiVersionsResponse.self),
            "ConsumerGroupDescribeRequest": codec(ConsumerGroupDescribeRequest.self),
            "ConsumerGroupDescribeResponse": codec(ConsumerGroupDescribeResponse.self),
            "ConsumerGroupHeartbeatRequest": codec(ConsumerGroupHeartbeatRequest.self),
            "ConsumerGroupHeartbeatResponse": codec(ConsumerGroupHeartbeatResponse.self),
            "ConsumerProtocolAssignment": codec(ConsumerProtocolAssignment.self),
            "ConsumerProtocolSubscription": codec(ConsumerProtocolSubscription.self),
            "CreatePartitionsRequest": codec(CreatePartitionsRequest.self),
            "CreatePartitionsResponse": codec(CreatePartitionsResponse.self),
            "CreateTopicsRequest": codec(CreateTopicsRequest.self),
            "CreateTopicsResponse": codec(CreateTopicsResponse.self),
            "DeleteGroupsRequest": codec(DeleteGroupsRequest.self),
            "DeleteGroupsResponse": codec(DeleteGroupsResponse.self),
            "DeleteRecordsRequest": codec(DeleteRecordsRequest.self),
            "DeleteRecordsResponse": codec(DeleteRecordsResponse.self),
            "DeleteTopicsRequest": codec(DeleteTopicsRequest.self),
            "DeleteTopicsResponse": codec(DeleteTopicsResponse.self),
            "DescribeClusterRequest": codec(DescribeClusterRequest.self),
            "DescribeClusterResponse": codec(DescribeClusterResponse.self),
            "DescribeConfigsRequest": codec(DescribeConfigsRequest.self),
            "DescribeConfigsResponse": codec(DescribeConfigsResponse.self),
            "DescribeGroupsRequest": codec(DescribeGroupsRequest.self),
            "DescribeGroupsResponse": codec(DescribeGroupsResponse.self),
            "DescribeLogDirsRequest": codec(DescribeLogDirsRequest.self),
            "DescribeLogDirsResponse": codec(DescribeLogDirsResponse.self),
            "DescribeTopicPartitionsRequest": codec(DescribeTopicPartitionsRequest.self),
            "DescribeTopicPartitionsResponse": codec(DescribeTopicPartitionsResponse.self),
            "EndTxnRequest": codec(EndTxnRequest.self),
            "EndTxnResponse": codec(EndTxnResponse.self),
            "FetchRequest": codec(FetchRequest.self),
            "FetchResponse": codec(FetchResponse.self),
            "FindCoordinatorRequest": codec(FindCoordinatorRequest.self),
            "FindCoordinatorResponse": codec(FindCoordinatorResponse.self),
            "GroupMetadataKey": codec(GroupMetadataKey.self),
            "GroupMetadataValue": codec(GroupMetadataValue.self),
            "HeartbeatRequest": codec(HeartbeatRequest.self),
            "HeartbeatResponse": codec(HeartbeatResponse.self),
            "IncrementalAlterConfigsRequest": codec(IncrementalAlterConfigsRequest.self),
            "IncrementalAlterConfigsResponse": codec(IncrementalAlterConfigsResponse.self),
            "InitProducerIdRequest": codec(InitProducerIdRequest.self),
            "InitProducerIdResponse": codec(InitProducerIdResponse.self),
            "JoinGroupRequest": codec(JoinGroupRequest.self),
            "JoinGroupResponse": codec(JoinGroupResponse.self),
            "LeaveGroupRequest": codec(LeaveGroupRequest.self),
            "LeaveGroupResponse": codec(LeaveGroupResponse.self),
            "ListGroupsRequest": codec(ListGroupsRequest.self),
            "ListGroupsResponse": codec(ListGroupsResponse.self),
            "ListOffsetsRequest": codec(ListOffsetsRequest.self),
            "ListOffsetsResponse": codec(ListOffsetsResponse.self),
            "MetadataRequest": codec(MetadataRequest.self),
            "MetadataResponse": codec(MetadataResponse.self),
            "OffsetCommitKey": codec(OffsetCommitKey.self),
            "OffsetCommitRequest": codec(OffsetCommitRequest.self),
            "OffsetCommitResponse": codec(OffsetCommitResponse.self),
            "OffsetCommitValue": codec(OffsetCommitValue.self),
            "OffsetDeleteRequest": codec(OffsetDeleteRequest.self),
            "OffsetDeleteResponse": codec(OffsetDeleteResponse.self),
            "OffsetFetchRequest": codec(OffsetFetchRequest.self),
            "OffsetFetchResponse": codec(OffsetFetchResponse.self),
            "OffsetForLeaderEpochRequest": codec(OffsetForLeaderEpochRequest.self),
            "OffsetForLeaderEpochResponse": codec(OffsetForLeaderEpochResponse.self),
            "ProduceRequest": codec(ProduceRequest.self),
            "ProduceResponse": codec(ProduceResponse.self),
            "SyncGroupRequest": codec(SyncGroupRequest.self),
            "SyncGroupResponse": codec(SyncGroupResponse.self),
            "TxnOffsetCommitRequest": codec(TxnOffsetCommitRequest.self),
            "TxnOffsetCommitResponse": codec(TxnOffsetCommitResponse.self),
        ]
    }
}
