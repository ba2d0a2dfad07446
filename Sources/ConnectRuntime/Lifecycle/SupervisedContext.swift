import ConnectAPI
import Logging

/// The connector's view of the runtime.
struct SupervisedContext: ConnectorContext {
    let connectorName: String
    let logger: Logger
    let offsetReader: (any OffsetReader)?
    let supervisor: ConnectorSupervisor

    func requestTaskReconfiguration() {
        supervisor.send(.reconfigurationRequested)
    }

    func raiseError(_ error: ConnectError) {
        supervisor.send(.connectorFailed(ConnectorLifecycle.Failure(error, masking: .none)))
    }
}
