/// Shares everything out anew in every round (Kafka's `EagerAssignor`): for groups with a worker that knows only the
/// first version of the protocol.
enum EagerAssignor {
    /// All connectors in turn, then all tasks, members in the order of their ids.
    static func assign(_ configured: WorkShare, to members: [String]) -> [String: WorkShare] {
        let members = members.sorted()
        var shares = Dictionary(uniqueKeysWithValues: members.map { ($0, WorkShare()) })
        guard !members.isEmpty else { return shares }
        var turn = 0
        for name in configured.connectors.sorted() {
            shares[members[turn % members.count]]?.connectors.insert(name)
            turn += 1
        }
        for task in configured.tasks.sorted() {
            shares[members[turn % members.count]]?.tasks.insert(task)
            turn += 1
        }
        return shares
    }
}
