import Testing

@testable import ConnectRuntime

/// Rounds of a group, as its leader sees them (KIP-415).
struct AssignorTests {
    /// A group whose members do as they are told.
    private struct Group {
        var assignor: IncrementalAssignor
        var members: [String: WorkShare]
        var configured: WorkShare
        var generation: Int32 = 0
        var now: Int64 = 1000
        var handedOver = WorkShare()

        init(_ members: [String], connectors: Int, tasks: Int, maxDelay: Int64 = 300_000) {
            assignor = IncrementalAssignor(maxDelay: maxDelay)
            self.members = Dictionary(uniqueKeysWithValues: members.map { ($0, WorkShare()) })
            configured = Group.work(connectors: connectors, tasks: tasks)
        }

        /// Connectors c0, c1, … with so many tasks each.
        static func work(connectors: Int, tasks: Int) -> WorkShare {
            let names = (0..<connectors).map { "c\($0)" }
            return WorkShare(
                connectors: Set(names),
                tasks: Set(names.flatMap { name in (0..<tasks).map { TaskID(connector: name, task: $0) } }))
        }

        mutating func round() -> IncrementalAssignor.Result {
            generation += 1
            let result = assignor.assign(
                IncrementalAssignor.Round(
                    configured: configured, members: members, generation: generation,
                    lastCompletedGeneration: generation - 1, now: now, handedOver: handedOver))
            for (id, part) in result.parts {
                members[id] = members[id]?.subtracting(part.revoked).union(part.assigned)
            }
            return result
        }

        /// Rounds until nothing is revoked and nothing is waited for; how many there were.
        mutating func settle() -> Int {
            var rounds = 0
            while rounds < 20 {
                rounds += 1
                let result = round()
                if result.delay > 0 { now += result.delay }
                if result.delay == 0, result.parts.values.allSatisfy({ $0.revoked.isEmpty }) { break }
            }
            return rounds
        }

        var running: WorkShare { members.values.reduce(WorkShare()) { $0.union($1) } }
        var count: Int { members.values.reduce(0) { $0 + $1.count } }
    }

    @Test func oneWorkerGetsAll() {
        var group = Group(["a"], connectors: 3, tasks: 4)
        let result = group.round()
        #expect(result.parts["a"]?.assigned == group.configured)
        #expect(result.delay == 0)
    }

    @Test func threeWorkersShareEvenly() {
        var group = Group(["a", "b", "c"], connectors: 10, tasks: 4)
        _ = group.settle()
        #expect(group.running == group.configured)
        #expect(group.count == group.configured.count)
        #expect(group.members.values.map(\.tasks.count).sorted() == [13, 13, 14])
        #expect(group.members.values.map(\.connectors.count).sorted() == [3, 3, 4])
    }

    @Test func whoJoinsGetsItsPartAfterItHasBeenGivenUp() {
        var group = Group(["a"], connectors: 2, tasks: 4)
        _ = group.settle()
        group.members["b"] = WorkShare()
        let first = group.round()
        // Nothing is given out that is not free yet.
        #expect(first.parts["b"]?.assigned.isEmpty == true)
        #expect(first.parts["a"]?.revoked.tasks.count == 4)
        #expect(first.parts["a"]?.revoked.connectors.count == 1)
        let second = group.round()
        #expect(second.parts["b"]?.assigned.tasks.count == 4)
        #expect(second.parts["a"]?.revoked.isEmpty == true)
        #expect(group.running == group.configured)
        #expect(group.count == group.configured.count)
    }

    /// Else Java members would restart work without end.
    @Test func noTwoRoundsInARowRevoke() {
        var group = Group(["a"], connectors: 4, tasks: 4)
        _ = group.settle()
        var wasRevoking = false
        for index in 0..<6 {
            group.members["n\(index)"] = WorkShare()
            let result = group.round()
            let isRevoking = result.parts.values.contains { !$0.revoked.isEmpty }
            #expect(!(wasRevoking && isRevoking))
            wasRevoking = isRevoking
        }
        _ = group.settle()
        #expect(group.running == group.configured)
        #expect(group.count == group.configured.count)
    }

    @Test func theWorkOfAVanishedWorkerWaitsForIt() {
        var group = Group(["a", "b"], connectors: 2, tasks: 2, maxDelay: 60_000)
        _ = group.settle()
        let lost = group.members.removeValue(forKey: "b") ?? WorkShare()
        let first = group.round()
        #expect(first.delay == 60_000)
        #expect(group.running == group.configured.subtracting(lost))
        // It comes back in time, empty, and gets its work again.
        group.now += 20_000
        group.members["b"] = WorkShare()
        #expect(group.round().delay == 40_000)
        group.now += 40_000
        let third = group.round()
        #expect(third.parts["b"]?.assigned == lost)
        #expect(third.delay == 0)
        #expect(group.running == group.configured)
    }

    @Test func theWorkOfAVanishedWorkerIsSharedOutWhenTheDelayIsOver() {
        var group = Group(["a", "b", "c"], connectors: 3, tasks: 2, maxDelay: 60_000)
        _ = group.settle()
        group.members["c"] = nil
        _ = group.round()
        group.now += 60_001
        _ = group.round()
        #expect(group.running == group.configured)
        #expect(group.count == group.configured.count)
    }

    /// Beyond Kafka: who says good-bye is not waited for.
    @Test func whatWasHandedOverIsGivenToOthersAtOnce() {
        var group = Group(["a", "b"], connectors: 2, tasks: 2, maxDelay: 60_000)
        _ = group.settle()
        group.handedOver = group.members.removeValue(forKey: "b") ?? WorkShare()
        let result = group.round()
        #expect(result.delay == 0)
        #expect(group.running == group.configured)
    }

    @Test func withoutADelayLostWorkIsGivenOutAtOnce() {
        var group = Group(["a", "b"], connectors: 2, tasks: 2, maxDelay: 0)
        _ = group.settle()
        group.members["b"] = nil
        #expect(group.round().delay == 0)
        #expect(group.running == group.configured)
    }

    @Test func whatIsDeletedIsRevoked() {
        var group = Group(["a", "b"], connectors: 2, tasks: 2)
        _ = group.settle()
        group.configured = Group.work(connectors: 1, tasks: 2)
        _ = group.settle()
        #expect(group.running == group.configured)
        #expect(group.count == group.configured.count)
    }

    @Test func whatTwoWorkersRunIsTakenFromBoth() {
        var group = Group(["a", "b"], connectors: 2, tasks: 1)
        _ = group.settle()
        let twice = WorkShare(connectors: [], tasks: [TaskID(connector: "c0", task: 0)])
        for id in ["a", "b"] { group.members[id] = group.members[id]?.union(twice) }
        let result = group.round()
        #expect(result.parts.values.allSatisfy { $0.revoked.tasks.isSuperset(of: twice.tasks) })
        _ = group.settle()
        #expect(group.count == group.configured.count)
        #expect(group.running == group.configured)
    }

    /// A leader that knows nothing of earlier rounds leaves running work where it is.
    @Test func aNewLeaderKeepsWhatRuns() {
        var group = Group(["a", "b"], connectors: 2, tasks: 4)
        _ = group.settle()
        let before = group.members
        group.assignor = IncrementalAssignor(maxDelay: 300_000)
        let result = group.round()
        #expect(result.parts.values.allSatisfy { $0.assigned.isEmpty && $0.revoked.isEmpty })
        #expect(group.members == before)
    }

    /// Members come, go in good order, vanish and come back; connectors come and go. No work is ever run twice, and all
    /// of it runs once things are quiet.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func randomHistoriesConverge(_ seed: UInt64) {
        var random = seed &* 0x9E37_79B9_7F4A_7C15
        func next(_ bound: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((random >> 33) % UInt64(bound))
        }
        var group = Group(["m0"], connectors: 3, tasks: 3, maxDelay: 10_000)
        var born = 1
        for _ in 0..<60 {
            switch next(6) {
            case 0 where group.members.count < 5:
                group.members["m\(born)"] = WorkShare()
                born += 1
            case 1 where group.members.count > 1:
                group.members[group.members.keys.sorted()[next(group.members.count)]] = nil
            case 2 where group.members.count > 1:
                let id = group.members.keys.sorted()[next(group.members.count)]
                group.handedOver = group.members.removeValue(forKey: id) ?? WorkShare()
            case 3: group.configured = Group.work(connectors: 1 + next(5), tasks: 1 + next(4))
            default: group.now += Int64(next(8000))
            }
            _ = group.round()
            group.handedOver = WorkShare()
            #expect(group.count == group.running.count, "seed \(seed): something runs twice")
        }
        #expect(group.settle() < 20)
        #expect(group.running == group.configured, "seed \(seed)")
        let tasks = group.members.values.map(\.tasks.count)
        #expect((tasks.max() ?? 0) - (tasks.min() ?? 0) <= 1, "seed \(seed)")
    }

    @Test func theFirstVersionDealsOutInTurn() {
        let shares = EagerAssignor.assign(Group.work(connectors: 2, tasks: 1), to: ["b", "a"])
        #expect(
            shares["a"] == WorkShare(connectors: ["c0"], tasks: [TaskID(connector: "c0", task: 0)]))
        #expect(
            shares["b"] == WorkShare(connectors: ["c1"], tasks: [TaskID(connector: "c1", task: 0)]))
    }
}
