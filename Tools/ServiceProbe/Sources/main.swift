// A small service for crash tests (`orders`, `stock`) and measurements (`listen`, `relay`) of the service library.

let arguments = CommandLine.arguments.dropFirst()
let options = ProbeOptions(arguments.dropFirst())
switch arguments.first {
case "orders": try await placeOrders(options)
case "stock": try await lowerStock(options)
case "listen": try await measureListener(options)
case "relay": try await measureRelay(options)
default: print("usage: ServiceProbe orders|stock|listen|relay --bootstrap HOST:PORT --topic NAME …")
}
