public import Hummingbird
import HTTPTypes
import KafkaService
public import Logging

/// Around every request: its trace, problems as JSON, one line in the log.
public struct ServiceMiddleware<Context: RequestContext>: RouterMiddleware {
    private let logger: Logger

    /// Makes the middleware.
    public init(logger: Logger) {
        self.logger = logger
    }

    /// Handles a request.
    public func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let given = HTTPField.Name(TraceContext.headerName).flatMap { request.headers[$0] }.flatMap { TraceContext($0) }
        let trace = given?.child() ?? TraceContext()
        let response = await TraceContext.$current.withValue(trace) {
            await respond(request, context, trace, next)
        }
        logger.log(
            level: request.uri.path.hasPrefix("/health") ? .debug : .info, "request",
            metadata: [
                "method": "\(request.method)", "path": "\(request.uri.path)", "status": "\(response.status.code)",
                "milliseconds": "\(Int(start.duration(to: .now) / .milliseconds(1)))", "trace": "\(trace.traceID)",
            ])
        return response
    }

    private func respond(
        _ request: Request, _ context: Context, _ trace: TraceContext,
        _ next: @concurrent (Request, Context) async throws -> Response
    ) async -> Response {
        do {
            return try await next(request, context)
        } catch let problem as Problem {
            return problem.response
        } catch let error as any HTTPResponseError {
            let detail = error.status == .notFound ? "nothing is at \(request.uri.path)" : nil
            return Problem(error.status, detail: detail).response
        } catch {
            // The client learns the trace, by which the operator finds the reason.
            logger.error("a request failed", metadata: ["error": "\(error)", "trace": "\(trace.traceID)"])
            return Problem(
                .serviceUnavailable, detail: "the service can't do it now; try again (trace \(trace.traceID))"
            ).response
        }
    }
}
