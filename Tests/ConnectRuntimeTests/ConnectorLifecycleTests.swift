import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Transcripts of events and actions.
struct ConnectorLifecycleTests {
    private typealias Lifecycle = ConnectorLifecycle
    private let config: ConnectorProperties = ["name": "x"]
    private let taskConfig: ConnectorProperties = ["n": "0"]
    private let failure = ConnectorLifecycle.Failure(trace: "database down", isRetriable: true)

    private func plan(
        _ target: TargetState = .started, config: ConnectorProperties? = nil, tasks: [ConnectorProperties] = []
    ) -> ConnectorLifecycle.Event {
        .planned(ConnectorLifecycle.Plan(config: config ?? self.config, target: target, tasks: tasks))
    }

    /// A connector at work with one task.
    private func running(restartLimit: Int? = nil) -> ConnectorLifecycle {
        var machine = ConnectorLifecycle(restartLimit: restartLimit)
        _ = machine.handle(plan(tasks: [taskConfig]))
        _ = machine.handle(.connectorStarted)
        _ = machine.handle(.tasksComputed([taskConfig]))
        _ = machine.handle(.taskRunning(0))
        return machine
    }

    @Test func aNewConnectorStartsThenGetsItsTasks() {
        var machine = Lifecycle()
        #expect(machine.handle(plan()) == [.startConnector(config)])
        #expect(machine.handle(.connectorStarted) == [.connectorStatus(.running, trace: nil), .computeTasks])
        #expect(machine.handle(.tasksComputed([taskConfig])) == [.storeTasks([taskConfig])])
        #expect(
            machine.handle(plan(tasks: [taskConfig]))
                == [.startTask(0, taskConfig, isPaused: false, isQuiet: false)])
        #expect(machine.handle(.taskRunning(0)) == [.taskStatus(0, .running, trace: nil)])
    }

    @Test func theSameTaskConfigurationsChangeNothing() {
        var machine = running()
        #expect(machine.handle(.reconfigurationRequested) == [.computeTasks])
        #expect(machine.handle(.tasksComputed([taskConfig])) == [])
    }

    /// While one change is being stored, the next may take it back.
    @Test func whatTheConnectorSaysLastIsStoredLast() {
        var machine = running()
        let other: ConnectorProperties = ["n": "1"]
        #expect(machine.handle(.tasksComputed([other])) == [.storeTasks([other])])
        #expect(machine.handle(.tasksComputed([other])) == [])
        #expect(machine.handle(.tasksComputed([taskConfig])) == [.storeTasks([taskConfig])])
        _ = machine.handle(plan(tasks: [other]))
        #expect(machine.handle(.tasksComputed([taskConfig])) == [])
        _ = machine.handle(plan(tasks: [taskConfig]))
        #expect(machine.handle(.tasksComputed([other])) == [.storeTasks([other])])
    }

    @Test func aChangedTaskIsReplacedAfterItHasStopped() {
        var machine = running()
        #expect(machine.handle(plan(tasks: [["n": "1"]])) == [.stopTask(0)])
        #expect(
            machine.handle(.taskStopped(0)) == [
                .taskStatus(0, .unassigned, trace: nil), .startTask(0, ["n": "1"], isPaused: false, isQuiet: false),
            ])
    }

    /// KAFKA-9228: what tasks say of themselves is the same, but they would be converted otherwise.
    @Test func tasksAreReplacedIfOnlyTheirRuntimeChanges() {
        var machine = running()
        let old: ConnectorProperties = ["name": "x"]
        let new: ConnectorProperties = ["name": "x", "transforms": "a"]
        func changed(_ applied: ConnectorProperties) -> ConnectorLifecycle.Event {
            .planned(ConnectorLifecycle.Plan(config: new, target: .started, tasks: [taskConfig], applied: applied))
        }
        #expect(machine.handle(changed(old)) == [.stopConnector])
        _ = machine.handle(.connectorStopped)
        _ = machine.handle(.connectorStarted)
        #expect(machine.handle(.tasksComputed([taskConfig])) == [.storeTasks([taskConfig])])
        #expect(machine.handle(changed(new)) == [.stopTask(0)])
        #expect(
            machine.handle(.taskStopped(0)) == [
                .taskStatus(0, .unassigned, trace: nil), .startTask(0, taskConfig, isPaused: false, isQuiet: false),
            ])
        #expect(machine.handle(.tasksComputed([taskConfig])) == [])
    }

    @Test func aChangedConfigurationRestartsTheConnector() {
        var machine = running()
        #expect(machine.handle(plan(config: ["name": "x", "a": "b"], tasks: [taskConfig])) == [.stopConnector])
        #expect(
            machine.handle(.connectorStopped) == [
                .connectorStatus(.unassigned, trace: nil), .startConnector(["name": "x", "a": "b"]),
            ])
    }

    @Test func pausingKeepsTheTasks() {
        var machine = running()
        #expect(machine.handle(plan(.paused, tasks: [taskConfig])) == [.stopConnector, .pauseTask(0)])
        #expect(machine.handle(.connectorStopped) == [.connectorStatus(.paused, trace: nil)])
        #expect(machine.handle(.taskPaused(0)) == [.taskStatus(0, .paused, trace: nil)])
        #expect(machine.handle(plan(tasks: [taskConfig])) == [.startConnector(config), .resumeTask(0)])
        #expect(machine.handle(.taskRunning(0)) == [.taskStatus(0, .running, trace: nil)])
    }

    @Test func stoppingRemovesTheTasks() {
        var machine = running()
        #expect(machine.handle(plan(.stopped)) == [.stopConnector, .stopTask(0)])
        #expect(machine.handle(.connectorStopped) == [.connectorStatus(.stopped, trace: nil)])
        #expect(machine.handle(.taskStopped(0)) == [.removeTaskStatus(0)])
    }

    @Test(arguments: [(TargetState.paused, RunState.paused), (.stopped, .stopped)])
    func aConnectorMayBeginAtRest(_ target: TargetState, _ status: RunState) {
        var machine = Lifecycle()
        #expect(machine.handle(plan(target)) == [.connectorStatus(status, trace: nil)])
        #expect(machine.handle(plan(target)) == [])
    }

    @Test func aTaskThatFailsForACauseThatPassesComesBackByItself() {
        var machine = running()
        #expect(
            machine.handle(.taskFailed(0, failure)) == [
                .taskStatus(0, .failed, trace: "database down\nStarted again by itself in 0.5 seconds (try 1)"),
                .setTimer(.task(0), .milliseconds(500)),
            ])
        #expect(
            machine.handle(.timerFired(.task(0))) == [.startTask(0, taskConfig, isPaused: false, isQuiet: true)])
        #expect(
            machine.handle(.taskFailed(0, failure)) == [
                .taskStatus(0, .failed, trace: "database down\nStarted again by itself in 1.0 seconds (try 2)"),
                .setTimer(.task(0), .seconds(1)),
            ])
        _ = machine.handle(.timerFired(.task(0)))
        #expect(machine.handle(.taskRunning(0)) == [.taskStatus(0, .running, trace: nil)])
        // Progress resets the wait.
        #expect(machine.handle(.taskFailed(0, failure)).last == .setTimer(.task(0), .milliseconds(500)))
    }

    @Test func triesInARowMayHaveALimit() {
        var machine = running(restartLimit: 1)
        #expect(machine.handle(.taskFailed(0, failure)).last == .setTimer(.task(0), .milliseconds(500)))
        _ = machine.handle(.timerFired(.task(0)))
        let givenUp = "database down\nStarted again 1 times in vain: restart it once the cause is gone"
        #expect(machine.handle(.taskFailed(0, failure)) == [.taskStatus(0, .failed, trace: givenUp)])
        // Whoever restarts it begins anew.
        #expect(machine.handle(.restart(connector: false, tasks: [0])).count == 2)
        #expect(machine.handle(.taskFailed(0, failure)).last == .setTimer(.task(0), .milliseconds(500)))
        // Connect's own way.
        var never = Lifecycle(restartLimit: 0)
        _ = never.handle(plan())
        #expect(never.handle(.connectorFailed(failure)).count == 2)
    }

    @Test func aTaskThatFailsForGoodStaysFailedUntilRestarted() {
        var machine = running()
        let fatal = Lifecycle.Failure(trace: "bad record", isRetriable: false)
        #expect(machine.handle(.taskFailed(0, fatal)) == [.taskStatus(0, .failed, trace: "bad record")])
        #expect(machine.handle(plan(tasks: [taskConfig])) == [])
        #expect(
            machine.handle(.restart(connector: false, tasks: [0])) == [
                .taskStatus(0, .restarting, trace: nil), .startTask(0, taskConfig, isPaused: false, isQuiet: false),
            ])
    }

    @Test func restartingStopsBeforeItStarts() {
        var machine = running()
        #expect(
            machine.handle(.restart(connector: true, tasks: [0])) == [
                .connectorStatus(.restarting, trace: nil), .taskStatus(0, .restarting, trace: nil), .stopConnector,
                .stopTask(0),
            ])
        #expect(machine.handle(.connectorStopped) == [.startConnector(config)])
        #expect(machine.handle(.taskStopped(0)) == [.startTask(0, taskConfig, isPaused: false, isQuiet: false)])
    }

    @Test func aFailedStartIsTriedAgainOnlyIfThatCanHelp() {
        var machine = Lifecycle()
        _ = machine.handle(plan())
        #expect(
            machine.handle(.connectorFailed(failure)) == [
                .stopConnector,
                .connectorStatus(.failed, trace: "database down\nStarted again by itself in 0.5 seconds (try 1)"),
                .setTimer(.connector, .milliseconds(500)),
            ])
        #expect(machine.handle(.connectorStopped) == [])
        #expect(machine.handle(.timerFired(.connector)) == [.startConnector(config)])
        _ = machine.handle(.connectorFailed(Lifecycle.Failure(trace: "no", isRetriable: false)))
        #expect(machine.handle(.timerFired(.plan)) == [])
        #expect(
            machine.handle(plan(config: ["name": "x", "fixed": "1"])) == [.startConnector(["name": "x", "fixed": "1"])])
    }

    @Test func removalEndsWhenAllPartsHaveEnded() {
        var machine = running()
        #expect(machine.handle(.removed) == [.stopConnector, .stopTask(0)])
        #expect(machine.handle(.connectorStopped) == [])
        #expect(machine.handle(.taskStopped(0)) == [.removeTaskStatus(0), .removeAllStatus, .finished])
        #expect(machine.handle(plan()) == [])
    }

    @Test func shutdownLeavesUnassignedStates() {
        var machine = running()
        #expect(machine.handle(.shutdown) == [.stopConnector, .stopTask(0)])
        #expect(machine.handle(.taskStopped(0)) == [.taskStatus(0, .unassigned, trace: nil)])
        #expect(machine.handle(.connectorStopped) == [.connectorStatus(.unassigned, trace: nil), .finished])
    }

    @Test func theWaitGrowsToFiveSeconds() {
        let waits = (0..<6).map { ConnectorLifecycle.backoff(attempt: $0) }
        #expect(waits == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(5), .seconds(5)])
    }
}
