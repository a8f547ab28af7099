import ArgumentParser

/// How a run tells of itself while it goes.
enum ProgressMode: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// Live where that can be seen, else plain.
    case auto
    /// A board that is redrawn in place.
    case live
    /// One timed line after another.
    case plain

    /// What is right for a standard error that is, or is no, terminal.
    ///
    /// `live` on what is no terminal, or is one that cannot move its cursor, is still `plain`: escapes in a log help nobody.
    func isLive(onTerminal: Bool, environment: [String: String]) -> Bool {
        let terminal = environment["TERM"] ?? ""
        guard onTerminal, !terminal.isEmpty, terminal != "dumb" else { return false }
        switch self {
        case .auto: return !Self.refusesColour(environment)
        case .live: return true
        case .plain: return false
        }
    }

    /// `NO_COLOR` with any value (no-color.org).
    static func refusesColour(_ environment: [String: String]) -> Bool { !(environment["NO_COLOR"] ?? "").isEmpty }
}

/// How a command that executes shows how far it is.
struct ProgressOptions: ParsableArguments {
    @Option(help: "How to show what goes on: live, plain, or auto (live on a terminal).")
    var progress: ProgressMode = .auto
}
