import KafkaProtocol
import Logging
import OrderedCollections

/// Groups with members that go over from one protocol to the other.
extension Groups {
    /// A group with classic members becomes one of the consumer protocol because a member of that kind joins.
    func upgrade(_ entry: Entry, id: String) throws(Refusal) {
        let now = SteadyClock.now()
        guard configuration.consumerGroupLimits.migration.allowsUpgrade else {
            throw Refusal(
                .groupIdNotFound,
                "Group \(id) has members of the classic protocol, and group.consumer.migration.policy does not allow it "
                    + "to go over; they have to leave before others can join.")
        }
        let topics = RegistryTopics(topics: store.topics)
        guard let consumer = ConsumerGroup(upgrading: entry.group, topics: topics, now: now) else {
            throw Refusal(.groupIdNotFound, "Group \(id) has members whose subscriptions cannot be read.")
        }
        let waiting = entry.group.members.values.flatMap { member in
            [
                member.joinToken.map {
                    ClassicGroup.Action.answerJoin($0, .init(error: .rebalanceInProgress, memberID: member.id))
                },
                member.syncToken.map { ClassicGroup.Action.answerSync($0, .init(error: .rebalanceInProgress)) },
            ].compactMap(\.self)
        }
        do throws(WireError) {
            let records = [try GroupRecords.tombstone(group: id)] + (try ConsumerGroupRecords.everything(consumer))
            entry.group = ClassicGroup(id: id, initialRebalanceDelay: configuration.groupInitialRebalanceDelay)
            entry.consumer = consumer
            write(records, of: entry, id: id) { _ in }
        } catch {
            throw Refusal(.unknownServerError, "\(error)")
        }
        logger.info("a group goes over to the consumer protocol", metadata: ["group": "\(id)"])
        perform(waiting, entry)
    }

    /// The last member of the consumer protocol has gone: the classic ones that are left share the work by themselves.
    func downgradeIfClassic(_ entry: Entry, now: Int64) {
        guard let consumer = entry.consumer, consumer.isClassicOnly,
            configuration.consumerGroupLimits.migration.allowsDowngrade
        else { return }
        var group = consumer.downgraded(
            initialRebalanceDelay: configuration.groupInitialRebalanceDelay, names: topicName, now: now)
        do throws(WireError) {
            try write(ConsumerGroupRecords.tombstones(consumer), of: entry, id: consumer.id) { _ in }
        } catch {
            return logger.error(
                "a group cannot be encoded", metadata: ["group": "\(consumer.id)", "error": "\(error)"])
        }
        logger.info("a group goes back to the classic protocol", metadata: ["group": "\(consumer.id)"])
        entry.consumer = nil
        entry.group = group
        perform([.persistInBackground], entry)
        let actions = group.prepareRebalance(now: now)
        entry.group = group
        perform(actions, entry)
    }

    /// The name of a topic, for assignments of classic members.
    func topicName(_ id: KafkaUUID) -> String? { store.topics.topic(id: id)?.name }

    /// A member of the classic protocol joins a group that has members of the consumer protocol.
    func joinConsumers(
        _ entry: Entry, _ input: ClassicGroup.JoinInput, _ answer: @escaping (ClassicGroup.JoinOutcome) -> Void
    ) throws(Refusal) {
        guard var consumer = entry.consumer else { return }
        guard configuration.consumerGroupLimits.migration.allowsDowngrade || consumer.members[input.memberID] != nil
        else { throw Refusal(.inconsistentGroupProtocol, "Group \(consumer.id) is a consumer group.") }
        let (outcome, changes) = try consumer.classicJoin(
            input, limits: configuration.consumerGroupLimits, topics: RegistryTopics(topics: store.topics),
            now: SteadyClock.now())
        entry.consumer = consumer
        persist(changes, entry) { error in
            answer(error == .none ? outcome : .init(error: error, memberID: input.memberID))
        }
    }
}
