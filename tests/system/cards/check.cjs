// Reads Adaptive Cards (stdin: a JSON list) with Microsoft's own library and says what it found, as JSON.
const AC = require("adaptivecards/dist/adaptivecards.js");
const cards = JSON.parse(require("fs").readFileSync(0, "utf8"));
const said = cards.map((json) => {
  const context = new AC.SerializationContext();
  const card = new AC.AdaptiveCard();
  card.parse(json, context);
  const events = [];
  for (let i = 0; i < context.eventCount; i++) events.push(context.getEventAt(i).message);
  const texts = [];
  for (let i = 0; i < card.getItemCount(); i++) texts.push(card.getItemAt(i).getInlineAt(0).text);
  return { events, failures: card.validateProperties().validationEvents.map((one) => one.message), texts };
});
console.log(JSON.stringify(said));
