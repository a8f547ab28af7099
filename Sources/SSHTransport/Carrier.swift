import NIOCore

/// What a session's bytes ride on: a socket, or a tunnel through another session.
protocol Carrier: AnyObject {
    /// Takes all of `bytes`; how fast they leave is seen in `hasRoom`.
    func transmit(_ bytes: ByteBuffer)

    /// Whether the session should produce more data now. When it turns true again the session is told.
    var hasRoom: Bool { get }

    /// The session has read what came; a carrier that held back more may go on.
    func inputWasConsumed()

    /// Ends the link at once, without a word to the peer.
    func shut()
}
