import ArgumentParser
import ClusterModel
import ClusterSteps
import Journal
import RunEngine

/// `facts`: what planning reads, host by host; changes nothing.
struct FactsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "facts",
        abstract: "Read facts of hosts; changes nothing."
    )

    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Which hosts (selector).") var on: String = "all"
    @Option(help: ArgumentHelp("Only this fact; may be repeated.", valueName: "fact")) var only: [String] = []

    func run() async throws {
        let surroundings = try Surroundings.current()
        let context = try ClusterContext.load(cluster, surroundings)
        let readings = FactReadings.shipped
        for name in only where !readings.names.contains(name) {
            let hint = nearest(to: name, among: readings.names).map { "; did you mean '\($0)'?" } ?? ""
            throw OperatorMessage(
                .usage,
                at: "--only \(name)",
                "no such fact\(hint)",
                next: "one of \(readings.names.joined(separator: ", "))"
            )
        }
        let cache = FactCache(cluster: context.cluster, connections: context.connections, parallel: context.parallel)
        let answers = try await readings.read(
            of: try Selection.hosts(on, in: context.cluster),
            only: only,
            from: cache,
            cluster: context.cluster
        )
        await context.connections.close()
        var codes: [ExitCode] = []
        for answer in answers {
            if case .failure(let failure) = answer.result {
                codes.append(failure.message.code)
                Terminal.error(failure.message.description)
            }
        }
        if cluster.state.format == .json {
            try JSONAnswer.print(
                .object([
                    "v": .integer(1),
                    "facts": .array(
                        answers.compactMap { answer in
                            guard case .success(let value) = answer.result else { return nil }
                            return .object([
                                "host": .string(answer.host.text), "fact": .string(answer.fact), "value": value,
                            ])
                        }
                    ),
                ])
            )
        } else {
            for answer in answers { Terminal.answer(Self.text(of: answer)) }
        }
        if !codes.isEmpty {
            throw CommandEnding(
                code: codes.count == answers.count
                    ? ExitCode.mostSevere(codes) : ExitCode.mostSevere(codes + [.partial])
            )
        }
    }

    private static func text(of answer: FactReadings.Reading) -> String {
        let head = "\(answer.host) \(answer.fact)"
        switch answer.result {
        case .failure(let failure): return "\(head)\n  not known: \(failure.message.event)".escapedForTerminal
        case .success(let value):
            let lines = (value.objectValue ?? [:]).sorted { $0.key < $1.key }.map { name, value in
                let text = value.stringValue ?? String(decoding: CanonicalJSON.bytes(of: value), as: UTF8.self)
                return "  \(name): \(text)"
            }
            return ([head] + lines).joined(separator: "\n").escapedForTerminal
        }
    }
}
