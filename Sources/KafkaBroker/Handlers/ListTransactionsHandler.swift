import KafkaProtocol

/// ListTransactions (66), versions 0–2. Filters by state, producer id, (v1+) how long a transaction has been open and (v2+)
/// a pattern for the id; state names that do not exist are named in the answer.
enum ListTransactionsHandler: RequestHandler {
    typealias Request = ListTransactionsRequest

    static func handle(_ request: ListTransactionsRequest, _ call: Call<ListTransactionsResponse>) {
        call.node.transactions.run { transactions in
            var response = ListTransactionsResponse()
            let known = Set(Transaction.State.allCases.map(\.name))
            response.unknownStateFilters = request.stateFilters.filter { !known.contains($0) }
            do {
                let pattern = try request.transactionalIdPattern.flatMap { $0.isEmpty ? nil : try TextPattern($0) }
                try transactions.loadAll()
                let now = WallClock.now()
                for (id, entry) in transactions.entries.sorted(by: { $0.key < $1.key }) {
                    let transaction = entry.transaction
                    guard isWanted(transaction, request, now: now), pattern?.matches(id) ?? true else { continue }
                    guard call.allows(.describe, .transactionalID, id, logs: false) else { continue }
                    var listed = ListTransactionsResponse.TransactionState()
                    listed.transactionalId = id
                    listed.producerId = transaction.producerID
                    listed.transactionState = transaction.state.name
                    response.transactionStates.append(listed)
                }
            } catch let refusal as Refusal {
                response.errorCode = refusal.code.forCoordinator
            } catch {
                response.errorCode = .invalidRegularExpression
            }
            call.respond(response)
        }
    }

    private static func isWanted(_ transaction: Transaction, _ request: ListTransactionsRequest, now: Int64) -> Bool {
        if !request.stateFilters.isEmpty, !request.stateFilters.contains(transaction.state.name) { return false }
        if !request.producerIdFilters.isEmpty, !request.producerIdFilters.contains(transaction.producerID) {
            return false
        }
        return request.durationFilter < 0
            || (transaction.startTimestamp >= 0 && now - transaction.startTimestamp > request.durationFilter)
    }
}
