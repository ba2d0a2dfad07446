import KafkaProtocol
import Logging
import NIOConcurrencyHelpers

/// The consumer's side of a group of KIP-848: the coordinator names topics by id, and members do what it says.
extension KafkaConsumer {
    func applyConsumerEvents(
        _ subscription: ConsumerSubscription, _ listener: RebalanceListener?, _ membership: ConsumerGroupMembership
    ) async throws {
        while let event = try membership.takeEvent() {
            switch event {
            case .target(let target):
                let names = try await names(of: target, subscription)
                var wanted: [TopicPartition] = []
                for (id, partitions) in target {
                    guard let name = names[id] else { continue }
                    wanted += partitions.map { TopicPartition(topic: name, partition: $0) }
                }
                _ = await reconcile(to: wanted.sorted(), listener)
                // What is not known by name is not read: the coordinator must not think so.
                membership.holds(target.filter { names[$0.key] != nil })
                logger.debug("assigned", metadata: ["partitions": "\(wanted)"])
            case .lost(let reason):
                logger.info("lost the partitions", metadata: ["reason": "\(reason)"])
                await drop(listener) { .lost($0) }
            }
        }
    }

    private func names(
        of target: [KafkaUUID: [Int32]], _ subscription: ConsumerSubscription
    ) async throws -> [KafkaUUID: String] {
        func known(_ metadata: ClusterMetadata) -> [KafkaUUID: String] {
            var names: [KafkaUUID: String] = [:]
            for id in target.keys { names[id] = metadata.topicName(id) }
            return names
        }
        var names = known(cluster.metadata)
        guard names.count < target.count else { return names }
        let topics = subscription.serverPattern == nil ? subscription.topics : nil
        names = try await cluster.retrying {
            known(try await cluster.refreshMetadata(topics: topics))
        }
        return names
    }
}
