/** What the model of the server that is killed always says. */

export const PIECES = ['Hello', ' world', '!'];
export const ANSWER = PIECES.join('');
